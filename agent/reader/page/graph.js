'use strict';
/* graph.js - the views of a profile: an icicle graph with zoom, search and sandwich, and a table.
 *
 *   gumshoeGraph.mount(element, profiles, options) ──▶ a promise; the graph is drawn
 *
 * State { view, zoom, search, invert, fold, runtime, sandwich, changes } is in the page's #hash; each change ends in update(). */

const gumshoeGraph = (function () {
    const ROW = 20, PAD = 4, FONT = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
    const ROWS_MAX = 400, ABOVE_MAX = 12, TABLE_ROWS = 50, LEAST_WIDTH = 0.2;
    const { make, toggle, format, formatChange, percent, hash, addKey } = gumshoe;
    const RUNTIME = ['dim', 'hide', 'show'];

    /** How a node of a differential view has changed. */
    function changeOf(shape, node) {
        const now = shape.now[node], before = shape.before[node];
        if (now === before)
            return 'same';
        return !before ? 'new' : !now ? 'gone' : now > before ? 'grew' : 'shrank';
    }
    const SIGNS = { grew: '\u25b2', shrank: '\u25bc', new: '+', gone: '\u00d7', same: '=' };
    const WORDS = { grew: 'grew', shrank: 'shrank', new: 'new', gone: 'gone', same: 'unchanged' };

    /* ---- colours: of the style sheet, so that dark, light and print have their own ------------------------------- */

    function readColours() {
        const style = getComputedStyle(document.documentElement);
        const of = (name) => style.getPropertyValue('--' + name).trim();
        const names = ['program', 'program-2', 'program-3', 'library', 'runtime', 'dim', 'all', 'grew', 'grew-2', 'shrank', 'shrank-2',
            'same', 'match', 'frame-text', 'dim-text', 'paper', 'focus'];
        return Object.fromEntries(names.map((name) => [name, of(name)]));
    }

    /** A pattern of stripes: "new" and "gone" are told by it, too. */
    function stripes(context, colour, other, rising) {
        const tile = document.createElement('canvas');
        tile.width = tile.height = 8;
        const pen = tile.getContext('2d');
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 8, 8);
        pen.strokeStyle = other;
        pen.lineWidth = 2;
        for (const from of [-8, 0, 8]) {
            pen.beginPath();
            pen.moveTo(from, rising ? 8 : 0);
            pen.lineTo(from + 8, rising ? 0 : 8);
            pen.stroke();
        }
        return context.createPattern(tile, 'repeat');
    }

    /** A number that is the same for equal TEXT. */
    function hashOf(text) {
        let sum = 7;
        for (let i = 0; i < text.length; i++)
            sum = (sum * 31 + text.charCodeAt(i)) >>> 0;
        return sum;
    }

    /* ---- a graph ------------------------------------------------------------------------------------------------- */

    class Graph {
        constructor(element, profiles, options) {
            this.profiles = profiles;
            this.prefix = options.prefix || ''; // of its keys in the hash, if a page has several graphs
            this.matches = [];
            this.layers = [];    // { shape, y, up }: what is drawn; two for a sandwich
            this.focus = null;   // { layer, node }
            this.zooms = [];     // nodes that Esc goes back to
            this.build(element);
            this.readHash();
            this.addKeys();
            hash.listen(() => { this.readHash(); this.update(); });
            document.addEventListener('gumshoe-theme', () => this.draw());
            matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
            matchMedia('print').addEventListener('change', () => this.draw());
            new ResizeObserver(() => this.draw()).observe(this.box);
            this.update();
        }

        get view() {
            return this.profiles[this.state.view];
        }

        /* ---- state ----------------------------------------------------------------------------------------------- */

        readHash() {
            const get = (key) => hash.get(this.prefix + key);
            const view = this.profiles.findIndex((profile) => profile.id === get('view'));
            this.state = {
                view: Math.max(view, 0), search: get('search') || '', invert: get('invert') === '1', fold: get('fold') === '1',
                runtime: RUNTIME.includes(get('runtime')) ? get('runtime') : 'dim', changes: get('widths') === 'changes',
                sandwich: this.frameNumber(get('of')), zoom: get('zoom') || '',
            };
            this.search.value = this.state.search;
            this.zooms = [];
        }

        writeHash() {
            const { state } = this;
            const set = (key, value) => hash.set(this.prefix + key, value);
            set('view', state.view ? this.view.id : '');
            set('search', state.search);
            set('invert', state.invert ? '1' : '');
            set('fold', state.fold ? '1' : '');
            set('runtime', state.runtime === 'dim' ? '' : state.runtime);
            set('widths', state.changes ? 'changes' : '');
            set('of', state.sandwich === null ? '' : String(state.sandwich));
            set('zoom', state.zoom);
        }

        /** The frame number in TEXT, from a hash that anybody may have written; null: none. */
        frameNumber(text) {
            return /^\d{1,9}$/.test(text || '') ? Number(text) : null;
        }

        change(part) {
            const keepsZoom = Object.keys(part).every((key) => ['search', 'zoom', 'runtime'].includes(key)) && part.runtime !== 'hide';
            Object.assign(this.state, part);
            if (!keepsZoom || (this.state.runtime === 'hide' && 'runtime' in part)) {
                this.state.zoom = '';
                this.zooms = [];
            }
            this.writeHash();
            this.update();
        }

        /* ---- the parts of the page ------------------------------------------------------------------------------- */

        build(element) {
            this.switch = make('div', { class: 'switch', role: 'group', 'aria-label': 'What is shown' },
                ...this.profiles.map((profile, index) => toggle(profile.label, profile.kind, false, () => this.change({ view: index }))));
            this.search = make('input', { type: 'search', placeholder: 'Search (regex)', title: 'Functions and source files, by regular expression (/)', 'aria-label': 'Search functions and source files by regular expression',
                spellcheck: false, autocomplete: 'off' });
            this.search.addEventListener('input', () => this.change({ search: this.search.value }));
            this.search.addEventListener('keydown', (event) => this.onSearchKey(event));
            this.found = make('output', { class: 'found' });
            this.buttons = {
                invert: toggle('Invert', 'Begin with the functions that hold or use it (i)', false, (on) => this.change({ invert: on })),
                fold: toggle('Fold recursion', 'Show a recursive function once (r)', false, (on) => this.change({ fold: on })),
                changes: toggle('Changes only', 'Widths are of the change, not of the size (w)', false, (on) => this.change({ changes: on })),
            };
            this.runtime = make('select', { 'aria-label': 'Frames of the runtime and of allocator wrappers (h)', title: 'Frames of the runtime and of allocator wrappers (h)' },
                ...RUNTIME.map((way) => make('option', { value: way }, { dim: 'Runtime: dimmed', hide: 'Runtime: hidden', show: 'Runtime: as others' }[way])));
            this.runtime.addEventListener('change', () => this.change({ runtime: this.runtime.value }));
            this.trail = make('div', { class: 'trail' });
            this.detail = make('p', { class: 'detail', 'aria-live': 'polite' });
            this.legend = make('p', { class: 'legend' });
            this.canvas = make('canvas', { tabIndex: 0, role: 'img' });
            this.box = make('div', { class: 'graph-box' }, this.canvas);
            this.tip = make('div', { class: 'tip', hidden: true });
            this.table = make('tbody');
            this.notes = make('ul', { class: 'notes' });
            element.append(this.switch, this.toolbar(), this.trail, this.legend, this.box, this.detail, this.tableBox(), this.notes, this.tip);
            this.listenToCanvas();
        }

        toolbar() {
            const previous = make('button', { type: 'button', title: 'Previous match (N)', 'aria-label': 'Previous match' }, '\u2039');
            const next = make('button', { type: 'button', title: 'Next match (n)', 'aria-label': 'Next match' }, '\u203a');
            previous.addEventListener('click', () => this.goToMatch(-1));
            next.addEventListener('click', () => this.goToMatch(1));
            return make('div', { class: 'toolbar' },
                make('span', { class: 'search' }, this.search, previous, next, this.found),
                this.buttons.invert, this.buttons.fold, this.runtime, this.buttons.changes);
        }

        tableBox() {
            this.sort = 'total';
            this.sorters = ['self', 'total'].map((key) => {
                const button = make('button', { type: 'button', title: 'Sort by ' + key }, key === 'self' ? 'Self' : 'Total');
                button.addEventListener('click', () => { this.sort = key; this.fillTable(); });
                return make('th', { scope: 'col', colSpan: 2, title: 'In figures, and as a share of all (of all change, if there is a base)' }, button);
            });
            this.more = make('button', { type: 'button' });
            this.more.addEventListener('click', () => { this.tableRows *= 4; this.fillTable(); });
            this.tableRows = TABLE_ROWS;
            this.caption = make('h3', {}, 'Functions');
            return make('section', { class: 'functions' }, this.caption,
                make('div', { class: 'scroll' }, make('table', {},
                    make('thead', {}, make('tr', {}, ...this.sorters, make('th', { scope: 'col' }, 'Function'), make('th', { scope: 'col' }, 'Source'))),
                    this.table)), this.more);
        }

        /* ---- shapes, and what follows from them ------------------------------------------------------------------ */

        shapeOptions() {
            const { invert, fold, runtime, changes } = this.state;
            return { invert, fold, hideRuntime: runtime === 'hide', changes };
        }

        update() {
            const { state, view } = this;
            if (state.sandwich !== null && state.sandwich >= view.tree.frames.length)
                state.sandwich = null;
            if (state.sandwich === null) {
                this.layers = [{ shape: gumshoeTree.shape(view, this.shapeOptions()), up: false }];
            } else {
                const both = gumshoeTree.sandwich(view, this.shapeOptions(), state.sandwich);
                this.layers = [{ shape: both.callers, up: true }, { shape: both.callees, up: false }];
            }
            this.zoom = this.nodeAt(state.zoom);
            this.focus = null;
            this.findMatches();
            this.showControls();
            this.showTrail();
            this.showDetail();
            this.fillTable();
            this.draw();
        }

        showControls() {
            const { state, view } = this;
            Array.from(this.switch.children).forEach((button, index) => button.setAttribute('aria-pressed', String(index === state.view)));
            this.switch.hidden = this.profiles.length < 2;
            for (const key of ['invert', 'fold', 'changes'])
                this.buttons[key].setAttribute('aria-pressed', String(state[key]));
            this.buttons.changes.hidden = !view.diff;
            this.buttons.invert.disabled = state.sandwich !== null;
            this.runtime.value = state.runtime;
            this.notes.replaceChildren(...(view.comments || []).map((text) => make('li', {}, text)));
            this.showLegend();
        }

        showLegend() {
            const swatch = (name, text) => make('span', { class: 'key' }, make('span', { class: 'swatch ' + name, 'aria-hidden': 'true' }, SIGNS[name] || ''), text);
            const keys = this.view.diff
                ? Object.keys(WORDS).map((name) => swatch(name, WORDS[name]))
                : [swatch('program', 'the program\u2019s own code'), swatch('library', 'libraries'), swatch('runtime', 'runtime, allocator wrappers')];
            this.legend.replaceChildren(...keys);
        }

        /* ---- zoom: a path of frame numbers, so that it can be in a link ------------------------------------------- */

        /** The node that TEXT leads to, "LAYER.FRAME.FRAME…"; the root of layer 0, if it leads nowhere. */
        nodeAt(text) {
            const [first, ...path] = text.split('.').map(Number);
            const layer = text && first in this.layers ? first : 0;
            const { shape } = this.layers[layer];
            let node = 0;
            for (const frame of text ? path : []) {
                node = shape.children.get(node * shape.tree.frames.length + frame);
                if (node === undefined)
                    return { layer: 0, node: 0 };
            }
            return { layer, node };
        }

        pathTo({ layer, node }) {
            const { shape } = this.layers[layer];
            const path = [];
            for (let at = node; at > 0; at = shape.parent[at])
                path.unshift(shape.frame[at]);
            return path.length ? [layer, ...path].join('.') : '';
        }

        zoomTo(target) {
            const path = this.pathTo(target);
            if (path === this.state.zoom) {
                this.back();
                return;
            }
            this.zooms.push(this.state.zoom);
            this.setZoom(path);
        }

        setZoom(path) {
            this.state.zoom = path;
            this.zoom = this.nodeAt(path);
            this.writeHash();
            this.showTrail();
            this.showDetail();
            this.draw();
        }

        /** One step back: out of the last zoom, then out of the sandwich, then out of the search. */
        back() {
            if (this.zooms.length || this.state.zoom)
                this.setZoom(this.zooms.pop() || '');
            else if (this.state.sandwich !== null)
                this.change({ sandwich: null });
            else if (this.state.search)
                this.setSearch('');
            else
                return false;
            return true;
        }

        showTrail() {
            const { shape } = this.layers[this.zoom.layer];
            const crumbs = [];
            for (let at = this.zoom.node; ; at = shape.parent[at]) {
                const node = at;
                const button = make('button', { type: 'button' }, node ? fitName(shape.tree.frames[shape.frame[node]], 40) : 'all');
                button.addEventListener('click', () => { this.zooms.push(this.state.zoom); this.setZoom(this.pathTo({ layer: this.zoom.layer, node })); });
                crumbs.unshift(button);
                if (!node)
                    break;
            }
            if (crumbs.length > 6)
                crumbs.splice(1, crumbs.length - 5, make('span', {}, '\u2026'));
            this.trail.replaceChildren(...(this.zoom.node ? crumbs : []));
            this.trail.hidden = !this.zoom.node && this.state.sandwich === null;
            if (this.state.sandwich !== null) {
                const name = fitName(this.view.tree.frames[this.state.sandwich], 60);
                const leave = make('button', { type: 'button', title: 'Back to the whole graph (Esc)' }, '\u00d7 callers and callees of ' + name);
                leave.addEventListener('click', () => this.change({ sandwich: null }));
                this.trail.prepend(leave);
            }
        }

        /* ---- search ---------------------------------------------------------------------------------------------- */

        setSearch(text) {
            this.search.value = text;
            this.change({ search: text });
        }

        onSearchKey(event) {
            if (event.key === 'Enter')
                this.goToMatch(event.shiftKey ? -1 : 1);
            else if (event.key === 'Escape' && this.search.value)
                this.setSearch('');
            else if (event.key === 'Escape')
                this.canvas.focus();
            else
                return;
            event.preventDefault();
        }

        /** Mark the frames that match, and add up the stacks with at least one. */
        findMatches() {
            const { search } = this.state;
            this.expression = null;
            this.matched = new Set();
            this.matches = [];
            this.search.setCustomValidity('');
            try {
                this.expression = search ? new RegExp(search, 'i') : null;
            } catch (error) {
                this.search.setCustomValidity('This is not a regular expression');
            }
            if (this.expression)
                this.view.tree.frames.forEach((frame, number) => {
                    if (this.expression.test(frame.name) || (frame.file && this.expression.test(frame.file)))
                        this.matched.add(number);
                });
            this.showFound(search);
        }

        showFound(search) {
            let width = 0;
            this.layers.forEach(({ shape }, layer) => {
                const inside = new Uint8Array(shape.count);
                for (let node = 1; node < shape.count; node++) {
                    const match = this.matched.has(shape.frame[node]);
                    if (match)
                        this.matches.push({ layer, node });
                    if (match && !inside[shape.parent[node]] && layer === this.layers.length - 1)
                        width += shape.width[node];
                    inside[node] = match || inside[shape.parent[node]];
                }
            });
            const placeOf = ({ layer, node }) => this.layers[layer].shape.x[node];
            const depthOf = ({ layer, node }) => this.layers[layer].shape.depth[node];
            this.matches.sort((a, b) => a.layer - b.layer || placeOf(a) - placeOf(b) || depthOf(a) - depthOf(b)); // as they are drawn
            const { shape } = this.layers[this.layers.length - 1];
            this.found.textContent = !search ? '' : !this.expression ? 'not a regular expression'
                : !this.matches.length ? 'no match' : percent(width, shape.width[0]) + ' matched';
            this.found.classList.toggle('none', Boolean(search) && !this.matches.length);
        }

        goToMatch(direction) {
            if (!this.matches.length)
                return;
            const order = this.matches;
            const at = this.focus ? order.findIndex((match) => match.layer === this.focus.layer && match.node === this.focus.node) : -1;
            const next = at < 0 && direction < 0 ? order.length - 1 : (at + direction + order.length) % order.length;
            this.setFocus(order[next]);
        }
    }

    return { Graph, changeOf, readColours, stripes, hashOf, SIGNS, WORDS, ROW, PAD, FONT, ROWS_MAX, ABOVE_MAX, LEAST_WIDTH, RUNTIME };
})();
