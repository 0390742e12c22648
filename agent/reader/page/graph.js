'use strict';
/* graph.js - the views of a profile: an icicle graph with zoom, search and sandwich, and a table.
 *
 *   gumshoeGraph.mount(element, profiles) ──▶ a promise; the graph is drawn
 *
 * The state is texts, one for each of KEYS, as they stand in the page's #hash; '' at first. Each change ends in update().
 * graph_draw.js has what is drawn, the pointer, the keys and the table. */

const gumshoeGraph = (function () {
    const { make, button, press, percent, hash, onColours } = gumshoe;
    const KEYS = ['view', 'search', 'invert', 'fold', 'runtime', 'widths', 'of', 'zoom']; // of: the function of a sandwich
    const RUNTIME = new Map([['', 'Runtime: dimmed'], ['hide', 'Runtime: hidden'], ['show', 'Runtime: as others']]);
    const SEARCH = 'functions and source files by regular expression';
    const HIDE = 'Frames of the runtime and of allocator wrappers (h)';
    const SWITCHES = [ // key, value when pressed, label, help
        ['invert', '1', 'Invert', 'Begin with the functions that hold or use it (i)'],
        ['fold', '1', 'Fold recursion', 'Show a recursive function once (r)'],
        ['widths', 'changes', 'Changes only', 'Widths are of the change, not of the size (w)'],
    ];

    class Graph {
        constructor(element, profiles) {
            this.profiles = profiles;
            this.build(element);
            this.addKeys();
            hash.listen(() => this.readHash());
            onColours(() => this.draw());
            new ResizeObserver(() => this.draw()).observe(this.box);
        }

        /* ---- state ----------------------------------------------------------------------------------------------- */
        /** Take the state from the hash, which anybody may have written. */
        readHash() {
            this.state = Object.fromEntries(KEYS.map((key) => [key, hash.get(key)]));
            if (!RUNTIME.has(this.state.runtime))
                this.state.runtime = '';
            this.search.value = this.state.search;
            this.zooms = []; // zooms that Esc goes back to
            this.update();
        }

        get view() { return this.profiles.find((profile) => profile.id === this.state.view) || this.profiles[0]; }

        /** The number of the function whose callers and callees are shown; null: the whole graph is. */
        get sandwich() {
            const { of } = this.state;
            return /^\d{1,9}$/.test(of) && Number(of) < this.view.tree.frames.length ? Number(of) : null;
        }

        get options() {
            const { invert, fold, runtime, widths } = this.state;
            return { invert: invert !== '', fold: fold !== '', hideRuntime: runtime === 'hide', changes: widths !== '' };
        }

        /** A text that differs for each shape. */
        get shapeName() { return JSON.stringify([this.view.id, this.options, this.sandwich]); }

        change(part) {
            const before = this.shapeName;
            Object.assign(this.state, part);
            if (this.shapeName !== before) {
                this.state.zoom = '';
                this.zooms = [];
            }
            hash.set(this.state);
            this.update();
        }

        flip(key) { this.change({ [key]: this.state[key] ? '' : SWITCHES.find((row) => row[0] === key)[1] }); }
        showView(number) { this.change({ view: number ? this.profiles[number].id : '' }); }

        /* ---- the parts of the page ------------------------------------------------------------------------------- */
        build(element) {
            this.switch = make('div', { class: 'switch', role: 'group', 'aria-label': 'What is shown' },
                this.profiles.map(({ label, kind }, number) => button(label, kind, () => this.showView(number))));
            this.trail = make('div', { class: 'trail' });
            this.legend = make('p', { class: 'legend' });
            this.canvas = make('canvas', {
                tabindex: 0, role: 'img', click: (event) => this.onClick(event), mousemove: (event) => this.onMove(event),
                mouseleave: () => { this.tip.hidden = true; this.showDetail(); },
            });
            this.box = make('div', { class: 'graph-box' }, this.canvas);
            this.detail = make('p', { class: 'detail', 'aria-live': 'polite' });
            this.notes = make('ul', { class: 'notes' });
            this.tip = make('div', { class: 'tip', hidden: true });
            element.append(this.switch, this.toolbar(), this.trail, this.legend, this.box, this.detail, this.tableBox(),
                this.notes, this.tip);
        }

        toolbar() {
            this.search = make('input', {
                type: 'search', placeholder: 'Search (regex)', title: SEARCH + ' (/)', 'aria-label': 'Search ' + SEARCH,
                spellcheck: 'false', autocomplete: 'off', input: () => this.change({ search: this.search.value }),
                keydown: (event) => this.onSearchKey(event),
            });
            this.found = make('output', { class: 'found' });
            this.buttons = Object.fromEntries(SWITCHES.map(([key, , label, help]) =>
                [key, button(label, help, () => this.flip(key))]));
            this.runtime = make('select', {
                'aria-label': HIDE, title: HIDE, change: () => this.change({ runtime: this.runtime.value }),
            }, Array.from(RUNTIME, ([value, label]) => make('option', { value }, label)));
            return make('div', { class: 'toolbar' }, make('span', { class: 'search' }, this.search,
                button('\u2039', 'Previous match (N)', () => this.goToMatch(-1), { 'aria-label': 'Previous match' }),
                button('\u203a', 'Next match (n)', () => this.goToMatch(1), { 'aria-label': 'Next match' }), this.found),
            this.buttons.invert, this.buttons.fold, this.runtime, this.buttons.widths);
        }

        /* ---- what follows from the state ------------------------------------------------------------------------- */
        update() {
            this.shape();
            this.zoom = this.nodeAt(this.state.zoom);
            this.focus = null; // { layer, node }
            this.findMatches();
            this.showControls();
            this.fillTable();
            this.show();
        }

        /** What is drawn: layers { shape, up }; two for a sandwich. */
        shape() {
            if (this.shaped === this.shapeName) return;
            this.shaped = this.shapeName;
            const shapes = gumshoeTree.shapes(this.view, this.options, this.sandwich);
            this.layers = shapes.map((shape, number) => ({ shape, up: number < shapes.length - 1 }));
        }

        show() {
            this.showTrail();
            this.showDetail();
            this.draw();
        }

        showControls() {
            const { state, view, buttons } = this;
            Array.from(this.switch.children).forEach((one, number) => press(one, this.profiles[number] === view));
            this.switch.hidden = this.profiles.length < 2;
            for (const [key, one] of Object.entries(buttons))
                press(one, Boolean(state[key]));
            buttons.widths.hidden = !view.diff;
            buttons.invert.disabled = this.sandwich !== null;
            this.runtime.value = state.runtime;
            this.notes.replaceChildren(...(view.comments || []).map((text) => make('li', {}, text)));
            this.legend.replaceChildren(...this.legendKeys());
        }

        /* ---- zoom: a path of frame numbers, so that it can be in a link ------------------------------------------- */
        /** The node that TEXT leads to, "LAYER.FRAME.FRAME…"; the root of layer 0, if it leads nowhere. */
        nodeAt(text) {
            const [layer, ...path] = text.split('.').map(Number), { shape } = this.layers[layer] || {};
            let node = 0;
            for (const frame of shape ? path : [])
                node = shape.children.get(node * shape.tree.frames.length + frame) ?? NaN;
            return text && shape && node >= 0 ? { layer, node } : { layer: 0, node: 0 };
        }

        /** The nodes on the way to NODE, it included; the root is not. */
        wayTo({ layer, node }) {
            const way = [];
            for (let at = node; at > 0; at = this.layers[layer].shape.parent[at])
                way.unshift(at);
            return way;
        }

        zoomTo(target) {
            const way = this.wayTo(target), { frame } = this.layers[target.layer].shape;
            const zoom = way.length ? [target.layer, ...way.map((node) => frame[node])].join('.') : '';
            if (zoom === this.state.zoom) {
                this.back();
                return;
            }
            this.zooms.push(this.state.zoom);
            this.setZoom(zoom);
        }

        setZoom(zoom) {
            this.state.zoom = zoom;
            this.zoom = this.nodeAt(zoom);
            hash.set({ zoom });
            this.show();
        }

        /** One step back: out of the last zoom, then out of the sandwich, then out of the search. */
        back() {
            if (this.zooms.length || this.state.zoom)
                this.setZoom(this.zooms.pop() || '');
            else if (this.sandwich !== null)
                this.change({ of: '' });
            else if (this.state.search)
                this.setSearch('');
            else
                return false;
            return true;
        }

        showTrail() {
            const { layer, node } = this.zoom, { frames } = this.view.tree, { frame } = this.layers[layer].shape;
            const crumbs = [0, ...this.wayTo(this.zoom)].map((at) =>
                button(at ? fitName(frames[frame[at]], 40) : 'all', '', () => this.zoomTo({ layer, node: at })));
            if (crumbs.length > 6)
                crumbs.splice(1, crumbs.length - 5, make('span', {}, '\u2026'));
            this.trail.replaceChildren(...(node ? crumbs : []));
            if (this.sandwich !== null)
                this.trail.prepend(button('\u00d7 callers and callees of ' + fitName(frames[this.sandwich], 60),
                    'Back to the whole graph (Esc)', () => this.change({ of: '' })));
            this.trail.hidden = !this.trail.hasChildNodes();
        }

        /* ---- search ---------------------------------------------------------------------------------------------- */
        setSearch(search) {
            this.search.value = search;
            this.change({ search });
        }

        onSearchKey(event) {
            const leave = () => this.search.value ? this.setSearch('') : this.canvas.focus();
            const run = { Enter: () => this.goToMatch(event.shiftKey ? -1 : 1), Escape: leave }[event.key];
            if (!run) return;
            run();
            event.preventDefault();
        }

        /** Find what matches: "matched" has numbers of frames, "matches" their nodes in the order that they are drawn in. */
        findMatches() {
            const { search } = this.state;
            let wrong = '';
            this.expression = null;
            this.matches = [];
            try {
                this.expression = search ? new RegExp(search, 'i') : null;
            } catch (error) {
                wrong = 'not a regular expression';
            }
            const { expression } = this, { frames } = this.view.tree;
            const test = ({ name, file }) => expression && (expression.test(name) || (file && expression.test(file)));
            this.matched = new Set(Array.from(frames.keys()).filter((number) => test(frames[number])));
            this.search.setCustomValidity(wrong);
            this.found.textContent = wrong || (expression ? this.findMatchingNodes() : '');
            this.found.classList.toggle('none', Boolean(search) && !this.matches.length);
        }

        /** Find the nodes that match. Returns the share of all that is in stacks with at least one, in words. */
        findMatchingNodes() {
            let width = 0;
            const last = this.layers[this.layers.length - 1].shape;
            this.matches = this.layers.flatMap(({ shape }, layer) => {
                const found = [], inside = new Uint8Array(shape.count);
                for (let node = 1; node < shape.count; node++) {
                    const match = this.matched.has(shape.frame[node]), within = inside[shape.parent[node]];
                    if (match)
                        found.push({ layer, node });
                    if (match && !within && shape === last)
                        width += shape.width[node];
                    inside[node] = match || within;
                }
                return found.sort((a, b) => shape.x[a.node] - shape.x[b.node] || shape.depth[a.node] - shape.depth[b.node]);
            });
            return this.matches.length ? percent(width, last.width[0]) + ' matched' : 'no match';
        }

        goToMatch(direction) {
            const { focus, matches } = this, count = matches.length;
            const at = focus ? matches.findIndex(({ layer, node }) => layer === focus.layer && node === focus.node) : -1;
            if (count)
                this.setFocus(matches[at < 0 && direction < 0 ? count - 1 : (at + direction + count) % count]);
        }
    }

    return { Graph, RUNTIME };
})();
