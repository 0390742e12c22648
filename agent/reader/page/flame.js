'use strict';
/* flame.js - the page of `gumshoe flame`: a graph alone. The tables that stand in the page without script become its text
 * alternative, closed at first. */
(function () {
    const { make, data, pageButtons } = gumshoe;
    const main = document.getElementById('main'), graph = make('section', { 'aria-label': 'Graph' });
    const texts = Array.from(main.querySelectorAll('section.text'));
    main.append(make('details', { class: 'alternative' }, make('summary', {}, 'The same as text'), texts));
    main.querySelector('h1').after(graph);
    main.prepend(pageButtons());
    gumshoeGraph.mount(graph, data().profiles);
})();
