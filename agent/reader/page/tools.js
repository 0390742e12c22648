'use strict';
/* tools.js - what the scripts of a page share: elements, figures, the page's data, the state in its #hash, its keys.
 * Text from the profile gets into the document as text nodes and attributes alone, never as markup. */

const gumshoe = (function () {
    /* ---- elements ------------------------------------------------------------------------------------------------ */
    /** Give ELEMENT attributes and children; those may be lists. An attribute that is a function listens to the event of its
     * name; true or false: it is there, or not. */
    function fill(element, attributes, children) {
        for (const [name, value] of Object.entries(attributes))
            if (typeof value === 'function')
                element.addEventListener(name, value);
            else if (typeof value === 'boolean')
                element.toggleAttribute(name, value);
            else
                element.setAttribute(name, value);
        element.append(...children.flat());
        return element;
    }

    const SVG = 'http://www.w3.org/2000/svg';
    const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
    const makeSvg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
    const button = (label, help, run, more) => make('button', { type: 'button', title: help, click: run, ...more }, label);
    const press = (element, isPressed) => element.setAttribute('aria-pressed', String(isPressed));

    /* ---- figures, as `gumshoe top` prints them ------------------------------------------------------------------- */
    const scales = {
        __proto__: null, // units come from the profile: "constructor" is none
        bytes: [[2 ** 50, 'PB'], [2 ** 40, 'TB'], [2 ** 30, 'GB'], [2 ** 20, 'MB'], [2 ** 10, 'kB'], [1, 'B']],
        nanoseconds: [[3600e9, 'hrs'], [60e9, 'mins'], [1e9, 's'], [1e6, 'ms'], [1e3, 'us'], [1, 'ns']],
    };
    const nanoseconds = { __proto__: null, microseconds: 1e3, milliseconds: 1e6, seconds: 1e9 };

    /** "1.5MB", "20ms", "12"; a unit that is not known stands behind the value. */
    function format(value, unit) {
        if (nanoseconds[unit]) return format(value * nanoseconds[unit], 'nanoseconds');
        const scale = scales[unit];
        if (!scale) return value.toLocaleString('en') + (unit && unit !== 'count' ? ' ' + unit : '');
        const [size, suffix] = scale.find(([least]) => Math.abs(value) >= least) || scale[scale.length - 1];
        return (value / size).toFixed(2).replace('.00', '') + suffix;
    }

    /** The same with its sign, for changes. */
    function formatChange(value, unit) {
        return value > 0 ? '+' + format(value, unit) : value < 0 ? '\u2212' + format(-value, unit) : '\u00b10';
    }

    function percent(part, total) {
        const share = total ? 100 * part / total : 0, size = Math.abs(share);
        return (share !== 0 && size < 0.01 ? '<0.01' : share.toFixed(size < 10 ? 2 : 1).replace('-', '\u2212')) + '%';
    }

    /* ---- the page's data ----------------------------------------------------------------------------------------- */
    const data = () => JSON.parse(document.getElementById('gumshoe-data').textContent);

    /** The JSON in TEXT, which is deflated and in base64. */
    async function inflate(text) {
        const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
        return new Response(stream).json();
    }

    /* ---- state in the #hash: a link shows what its sender saw ---------------------------------------------------- */
    const hash = {
        /** The text of KEY; '': there is none. */
        get: (key) => new URLSearchParams(location.hash.slice(1)).get(key) || '',
        /** Set the keys of PART; '' removes one. The address changes, but gets no entry in the browser's history. */
        set(part) {
            const state = new URLSearchParams(location.hash.slice(1));
            for (const [key, value] of Object.entries(part)) {
                state.delete(key);
                if (value) state.set(key, value);
            }
            state.sort();
            const text = state.toString();
            history.replaceState(null, '', text ? '#' + text : location.pathname + location.search);
        },
        /** Call LISTENER when somebody else has changed the hash. */
        listen: (listener) => window.addEventListener('hashchange', listener),
    };

    /* ---- keys ---------------------------------------------------------------------------------------------------- */
    const keys = []; // { key, help, run, shown }

    /** Add a key: KEY as in KeyboardEvent.key. RUN returns false if it does not apply; then others get their turn. */
    const addKey = (key, help, run, shown = key) => keys.push({ key, help, run, shown });

    document.addEventListener('keydown', (event) => {
        const isTyping = event.target.matches('input, textarea, select') || event.ctrlKey || event.metaKey || event.altKey;
        if (isTyping || document.querySelector('dialog[open]')) return;
        if (keys.some((entry) => entry.key === event.key && entry.run(event) !== false))
            event.preventDefault();
    });

    function showHelp() {
        const rows = keys.filter((entry) => entry.help).map(({ shown, help }) =>
            make('tr', {}, make('th', { scope: 'row' }, make('kbd', {}, shown)), make('td', {}, help)));
        const dialog = make('dialog', {
            class: 'help', 'aria-label': 'Keys', close: () => dialog.remove(),
            click: (event) => event.target === dialog && dialog.close(), // beside what is in it
        }, make('h2', {}, 'Keys'), make('table', {}, make('tbody', {}, rows)),
        button('Close', '', () => dialog.close(), { autofocus: true }));
        document.body.append(dialog);
        dialog.showModal();
    }
    addKey('?', 'this help', showHelp);

    /* ---- dark and light ------------------------------------------------------------------------------------------ */
    const dark = '(prefers-color-scheme: dark)', changed = 'gumshoe-theme';
    const darkRules = Array.from(document.styleSheets).flatMap((sheet) => Array.from(sheet.cssRules))
        .filter((rule) => rule.media && rule.media.mediaText.includes(dark));

    /** Put the rules for dark pages in force or out of it; '' or what is neither: as the system has it. */
    function setTheme(theme) {
        for (const rule of darkRules)
            rule.media.mediaText = theme === 'dark' ? 'screen' : theme === 'light' ? 'not all' : 'screen and ' + dark;
        document.dispatchEvent(new Event(changed));
    }

    function switchTheme() {
        const theme = getComputedStyle(document.documentElement).colorScheme === 'dark' ? 'light' : 'dark';
        setTheme(theme);
        hash.set({ theme });
    }

    /** Call LISTENER when colours have changed: a canvas has to be drawn again. */
    function onColours(listener) {
        document.addEventListener(changed, listener);
        for (const query of [dark, 'print'])
            matchMedia(query).addEventListener('change', listener);
    }

    addKey('d', 'dark or light', switchTheme);
    setTheme(hash.get('theme'));
    hash.listen(() => setTheme(hash.get('theme')));

    /** The buttons that every page has at its head. */
    const pageButtons = () => make('div', { class: 'page-buttons' },
        button('Dark/light', 'Dark or light (d)', switchTheme), button('Keys', 'Keys (?)', showHelp));

    return {
        make, makeSvg, button, press, format, formatChange, percent, data, inflate, hash, addKey, onColours, pageButtons,
    };
})();
