'use strict';
/* flame.js - the page of `gumshoe flame`: a graph alone. The tables that stand in the page without script become its text
 * alternative, closed at first. */
(function () {
    const { make, data, pageButtons } = gumshoe;
    const main = document.getElementById('main');
    const text = Array.from(main.querySelectorAll('section.text'));
    const graph = make('section', { 'aria-label': 'Graph' });
    main.querySelector('h1').after(graph);
    main.prepend(pageButtons());
    main.append(make('details', { class: 'alternative' }, make('summary', {}, 'The same as text'), ...text));
    gumshoeGraph.mount(graph, data().profiles).catch((error) => graph.append(make('p', { class: 'error' }, 'The profile in this page cannot be shown: ' + error.message)));
})();
