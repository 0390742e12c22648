'use strict';
/* tools.js - what the scripts of a page share: elements, figures, the page's data, the state in its #hash, its keys.
 * Text from the profile gets into the document by textContent alone, never as markup. */

const gumshoe = (function () {
    /* ---- elements ------------------------------------------------------------------------------------------------ */

    /** An element with properties ("class", "onclick", "hidden", …; "aria-…" and "data-…" as attributes) and children. */
    function make(tag, properties, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(properties || {})) {
            if (name === 'class')
                element.className = value;
            else if (name in element)
                element[name] = value;
            else
                element.setAttribute(name, value);
        }
        element.append(...children.filter((child) => child !== null && child !== undefined));
        return element;
    }

    /** An element of SVG with attributes and children. */
    function makeSvg(tag, attributes, ...children) {
        const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
        for (const [name, value] of Object.entries(attributes || {}))
            element.setAttribute(name, value);
        element.append(...children);
        return element;
    }

    /** A button that is pressed or not. */
    function toggle(label, help, pressed, change) {
        const button = make('button', { type: 'button', title: help, 'aria-pressed': String(pressed) }, label);
        button.addEventListener('click', () => change(button.getAttribute('aria-pressed') !== 'true'));
        return button;
    }

    /* ---- figures, as `gumshoe top` prints them ------------------------------------------------------------------- */

    const scales = {
        bytes: [[2 ** 50, 'PB'], [2 ** 40, 'TB'], [2 ** 30, 'GB'], [2 ** 20, 'MB'], [2 ** 10, 'kB'], [1, 'B']],
        nanoseconds: [[3600e9, 'hrs'], [60e9, 'mins'], [1e9, 's'], [1e6, 'ms'], [1e3, 'us'], [1, 'ns']],
    };
    const factors = { microseconds: 1e3, milliseconds: 1e6, seconds: 1e9 };

    function trimmed(number) {
        return number.toFixed(2).replace('.00', '');
    }

    /** "1.5MB", "20ms", "12"; a unit that is not known stands behind the value. */
    function format(value, unit) {
        if (factors[unit])
            return format(value * factors[unit], 'nanoseconds');
        const scale = scales[unit];
        if (!scale)
            return value.toLocaleString('en') + (unit && unit !== 'count' ? ' ' + unit : '');
        const size = Math.abs(value);
        const [factor, suffix] = scale.find(([least]) => size >= least) || scale[scale.length - 1];
        return trimmed(value / factor) + suffix;
    }

    /** The same with its sign, for changes. */
    function formatChange(value, unit) {
        return value > 0 ? '+' + format(value, unit) : value < 0 ? '\u2212' + format(-value, unit) : '\u00b10';
    }

    function percent(part, total) {
        const share = total ? 100 * part / total : 0;
        const size = Math.abs(share);
        return (share !== 0 && size < 0.01 ? '<0.01' : share.toFixed(size < 10 ? 2 : 1).replace('-', '\u2212')) + '%';
    }

    /* ---- the page's data ----------------------------------------------------------------------------------------- */

    function data() {
        return JSON.parse(document.getElementById('gumshoe-data').textContent);
    }

    /** The JSON in TEXT, which is deflated and in base64. */
    async function inflate(text) {
        const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
        return new Response(stream).json();
    }

    /* ---- state in the #hash: a link shows what its sender saw ---------------------------------------------------- */

    const listeners = [];

    const hash = {
        get(key) {
            return new URLSearchParams(location.hash.slice(1)).get(key);
        },
        /** Set KEY; '' or null removes it. The address changes, but gets no entry in the browser's history. */
        set(key, value) {
            const state = new URLSearchParams(location.hash.slice(1));
            if (value === null || value === undefined || value === '')
                state.delete(key);
            else
                state.set(key, value);
            state.sort();
            const text = state.toString();
            history.replaceState(null, '', text ? '#' + text : location.pathname + location.search);
        },
        /** Call LISTENER when somebody else has changed the hash. */
        listen(listener) {
            listeners.push(listener);
        },
    };
    window.addEventListener('hashchange', () => listeners.forEach((listener) => listener()));

    /* ---- keys ---------------------------------------------------------------------------------------------------- */

    const keys = []; // { key, shown, help, run }

    /** Add a key: KEY as in KeyboardEvent.key. RUN returns false if it does not apply; then others get their turn. */
    function addKey(key, help, run, shown) {
        keys.push({ key, help, run, shown: shown || key });
    }

    function isTyping(event) {
        return event.target.matches('input, textarea, select') || event.ctrlKey || event.metaKey || event.altKey;
    }

    function onKey(event) {
        if (isTyping(event) || document.querySelector('dialog[open]'))
            return;
        for (const entry of keys)
            if (entry.key === event.key && entry.run(event) !== false) {
                event.preventDefault();
                return;
            }
    }
    document.addEventListener('keydown', onKey);

    function showHelp() {
        const rows = keys.filter((entry) => entry.help)
            .map((entry) => make('tr', {}, make('th', { scope: 'row' }, make('kbd', {}, entry.shown)), make('td', {}, entry.help)));
        const close = make('button', { type: 'button', autofocus: true }, 'Close');
        const dialog = make('dialog', { class: 'help', 'aria-label': 'Keys' },
            make('h2', {}, 'Keys'), make('table', {}, make('tbody', {}, ...rows)), close);
        close.addEventListener('click', () => dialog.close());
        dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
        dialog.addEventListener('close', () => dialog.remove());
        document.body.append(dialog);
        dialog.showModal();
    }
    addKey('?', 'this help', showHelp);

    /* ---- dark and light ------------------------------------------------------------------------------------------ */

    function isDark() {
        const chosen = document.documentElement.dataset.theme;
        return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    }

    function setTheme(theme) {
        if (theme === 'dark' || theme === 'light')
            document.documentElement.dataset.theme = theme;
        else
            delete document.documentElement.dataset.theme;
        document.dispatchEvent(new CustomEvent('gumshoe-theme')); // canvases have to be drawn again
    }

    function switchTheme() {
        const theme = isDark() ? 'light' : 'dark';
        setTheme(theme);
        hash.set('theme', theme);
    }
    addKey('d', 'dark or light', switchTheme);
    setTheme(hash.get('theme'));
    hash.listen(() => setTheme(hash.get('theme')));

    /** The buttons that every page has at its head. */
    function pageButtons() {
        const theme = make('button', { type: 'button', title: 'Dark or light (d)' }, 'Dark/light');
        const help = make('button', { type: 'button', title: 'Keys (?)' }, 'Keys');
        theme.addEventListener('click', switchTheme);
        help.addEventListener('click', showHelp);
        return make('div', { class: 'page-buttons' }, theme, help);
    }

    return { make, makeSvg, toggle, format, formatChange, percent, data, inflate, hash, addKey, showHelp, pageButtons };
})();
