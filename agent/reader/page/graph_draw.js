'use strict';
/* graph_draw.js - draws the graph of graph.js on its canvas; the words for a frame; pointer and keys; the table. */

(function () {
    const { make, button, format, formatChange, percent, addKey } = gumshoe;
    const { functions, isRuntime, codeName, place, PROGRAM, LIBRARY } = gumshoeTree;
    const { Graph, RUNTIME } = gumshoeGraph;
    const ROW = 20, PAD = 4, ROWS_MAX = 400, ABOVE_MAX = 12, TABLE_ROWS = 50, LEAST_WIDTH = 0.2;
    const COLOURS = ['program', 'program-2', 'program-3', 'library', 'runtime', 'dim', 'all', 'grew', 'grew-2', 'shrank',
        'shrank-2', 'same', 'match', 'frame-text', 'dim-text', 'paper', 'focus']; // of the style sheet

    /** How a node of a differential view has changed. */
    const CHANGES = {
        grew: { name: 'grew', word: 'grew', sign: '\u25b2' }, shrank: { name: 'shrank', word: 'shrank', sign: '\u25bc' },
        new: { name: 'new', word: 'new', sign: '+' }, gone: { name: 'gone', word: 'gone', sign: '\u00d7' },
        same: { name: 'same', word: 'unchanged', sign: '=' },
    };

    function changeOf(shape, node) {
        const now = shape.now[node], before = shape.before[node];
        if (now === before) return CHANGES.same;
        return !before ? CHANGES.new : !now ? CHANGES.gone : now > before ? CHANGES.grew : CHANGES.shrank;
    }

    /** A pattern of stripes along PATH: "new" and "gone" are told by it, too. */
    function stripes(context, colour, other, path) {
        const tile = make('canvas', { width: 8, height: 8 }), pen = tile.getContext('2d');
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 8, 8);
        pen.strokeStyle = other;
        pen.lineWidth = 2;
        pen.stroke(new Path2D(path));
        return context.createPattern(tile, 'repeat');
    }

    Object.assign(Graph.prototype, {
        /* ---- drawing --------------------------------------------------------------------------------------------- */
        draw() {
            const width = Math.max(this.box.clientWidth, 200), height = this.placeRows() * ROW + 1;
            const scale = Math.min(window.devicePixelRatio || 1, 16000 / height), pen = this.canvas.getContext('2d');
            Object.assign(this.canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
            Object.assign(this.canvas.style, { width: width + 'px', height: height + 'px' });
            pen.setTransform(scale, 0, 0, scale, 0, 0);
            pen.font = getComputedStyle(this.canvas).font;
            pen.textBaseline = 'middle';
            this.pen = pen;
            this.letter = pen.measureText('M').width;
            this.readColours();
            this.boxes = []; // what is drawn, for the pointer: { layer, node, x, y, width }
            this.layers.forEach((layer, number) => this.drawLayer(layer, number, width));
            this.drawFocus();
            this.canvas.setAttribute('aria-label', this.describeAll());
        },

        readColours() {
            const style = getComputedStyle(document.documentElement), { pen } = this;
            const colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue('--' + name).trim()]));
            this.colours = colours;
            this.patterns = {
                new: stripes(pen, colours.grew, colours['grew-2'], 'M-8 8l8-8M0 8l8-8M8 8l8-8'),
                gone: stripes(pen, colours.shrank, colours['shrank-2'], 'M-8 0l8 8M0 0l8 8M8 0l8 8'),
            };
        },

        /** Choose the rows of each layer that are shown, from "first" on: most callers of a deep zoom are left out, both
         *  roots of a sandwich, and in its upper half the function itself. Returns how many rows there are. */
        placeRows() {
            return this.layers.reduce((rows, layer, number) => {
                const { shape } = layer, node = this.zoom.layer === number ? this.zoom.node : 0;
                layer.first = Math.max(this.layers.length > 1 ? 2 - number : 0, shape.depth[node] - ABOVE_MAX);
                layer.window = { from: shape.x[node], width: shape.width[node] || 1 }; // the part of its width that is shown
                layer.shown = Math.max(Math.min(this.deepest(layer) - layer.first + 1, ROWS_MAX), 0);
                layer.top = rows;
                return rows + layer.shown;
            }, 0);
        },

        deepest({ shape: { depth, x, width, count }, window: { from, width: span } }) {
            let most = 0;
            for (let node = 0; node < count; node++)
                if (depth[node] > most && width[node] > 0 && x[node] < from + span && x[node] + width[node] > from)
                    most = depth[node];
            return most;
        },

        drawLayer(layer, number, width) {
            const { shape, window, first } = layer, unit = width / window.width;
            for (let node = 0; node < shape.count; node++) {
                const row = shape.depth[node] - first, x = Math.max((shape.x[node] - window.from) * unit, 0);
                const right = Math.min((shape.x[node] + shape.width[node] - window.from) * unit, width);
                if (row < 0 || row >= layer.shown || right - x < LEAST_WIDTH) continue;
                const y = (layer.top + (layer.up ? layer.shown - 1 - row : row)) * ROW;
                this.drawFrame(shape, node, x, y, right - x);
                this.boxes.push({ layer: number, node, x, y, width: right - x });
            }
        },

        drawFrame(shape, node, x, y, width) {
            const { pen, colours } = this, frame = shape.tree.frames[shape.frame[node]];
            const look = this.lookOf(shape, node, frame), room = Math.floor((width - 2 * PAD) / this.letter);
            pen.fillStyle = look.fill;
            pen.fillRect(x, y, width > 2 ? width - 0.5 : Math.max(width, 0.5), ROW - 1);
            if (room < 2) return;
            const sign = this.view.diff && node ? changeOf(shape, node).sign + ' ' : '';
            const label = node ? sign + fitName(frame, room - sign.length) : this.nameOfAll();
            if (look.plate) { // text is not readable on stripes
                pen.fillStyle = colours.paper;
                pen.fillRect(x + 2, y + 2, Math.min(label.length * this.letter + 4, width - 4), ROW - 5);
            }
            pen.fillStyle = look.soft ? colours['dim-text'] : colours['frame-text'];
            pen.fillText(label.slice(0, room), x + PAD, y + ROW / 2);
            pen.strokeStyle = colours['frame-text'];
            if (look.border)
                pen.strokeRect(x + 0.5, y + 0.5, Math.max(width - 1.5, 0), ROW - 2);
        },

        /** How a frame is drawn: its colour or pattern "fill"; with a border; its text on a plate, or soft. */
        lookOf(shape, node, frame) {
            const { colours, patterns } = this;
            if (!node) return { fill: colours.all };
            if (this.matched.has(shape.frame[node])) return { fill: colours.match, border: true };
            if (this.view.diff) {
                const { name } = changeOf(shape, node);
                return { fill: patterns[name] || colours[name], plate: name in patterns, soft: name === 'same' };
            }
            if (this.isDim(frame)) return { fill: colours.dim, soft: true };
            if (frame.code === PROGRAM) // the colour says whose code it is; shades tell neighbours apart
                return { fill: colours[['program', 'program-2', 'program-3'][frame.shade]] };
            return { fill: frame.code === LIBRARY ? colours.library : colours.runtime };
        },

        isDim(frame) { return !this.state.runtime && isRuntime(frame); },

        boxOf(at) { return this.boxes.find(({ layer, node }) => at && layer === at.layer && node === at.node); },

        drawFocus() {
            const box = this.boxOf(this.focus), { pen } = this;
            if (!box) return;
            pen.strokeStyle = this.colours.focus;
            pen.lineWidth = 2;
            pen.strokeRect(box.x + 1, box.y + 1, Math.max(box.width - 2, 1), ROW - 3);
            pen.lineWidth = 1;
        },

        /* ---- in words -------------------------------------------------------------------------------------------- */
        legendKeys() {
            const key = ({ name, word, sign = '' }) =>
                make('span', { class: 'key' }, make('span', { class: 'swatch ' + name, 'aria-hidden': 'true' }, sign), word);
            return (this.view.diff ? Object.values(CHANGES) : [{ name: 'program', word: 'the program\u2019s own code' },
                { name: 'library', word: 'libraries' }, { name: 'runtime', word: 'runtime, allocator wrappers' }]).map(key);
        },

        nameOfAll() {
            const { label, diff, total, before, unit } = this.view;
            return label + ': ' + (diff ? formatChange(total - before, unit) : format(total, unit));
        },

        describeAll() {
            const { view } = this, size = ({ self }) => Math.abs(self[0] - self[1]);
            view.largest ??= functions(view, false).filter(({ frame }) => frame.code === PROGRAM) // it is drawn often
                .sort((a, b) => size(b) - size(a)).slice(0, 3).map(({ frame }) => frame.compact).join(', ');
            return `Icicle graph of ${this.nameOfAll()}${view.largest && '. Largest by self: '}${view.largest}. `
                + 'The table below has the same figures.';
        },

        /** What a node holds: lines of text. */
        describe({ layer, node }) {
            const { shape, up } = this.layers[layer], { diff, unit, changes, total } = this.view;
            const frame = shape.tree.frames[shape.frame[node]], now = shape.now[node], before = shape.before[node];
            const self = this.state.invert || up ? '' : `, self ${format(shape.selfNow[node], unit)}`, change = now - before;
            const figures = !diff ? `${format(now, unit)}, ${percent(now, total)} of all${self}`
                : `${changeOf(shape, node).word}: ${formatChange(change, unit)} (${percent(change, changes)} of all change)`
                    + `, from ${format(before, unit)} to ${format(now, unit)}`;
            return node ? [frame.name, figures, [codeName(frame), place(frame)].filter(Boolean).join(', ')]
                : [this.nameOfAll(), figures];
        },

        /** Fill ELEMENT with what a node holds. */
        fillWords(element, target) {
            const [name, ...rest] = this.describe(target);
            element.replaceChildren(make('b', {}, name), ...rest.map((line) => make('span', {}, line)));
        },

        showDetail() {
            const isSandwich = this.sandwich !== null && !this.zoom.node;
            const start = isSandwich ? { layer: 1, node: this.layers[1].shape.order[0] || 0 } : this.zoom;
            this.fillWords(this.detail, this.focus || start);
        },

        /* ---- pointer --------------------------------------------------------------------------------------------- */
        boxAt({ clientX, clientY }) {
            const { left, top } = this.canvas.getBoundingClientRect(), right = clientX - left, down = clientY - top;
            return this.boxes.find(({ x, y, width }) => right >= x && right < x + width && down >= y && down < y + ROW);
        },

        onMove(event) {
            const box = this.boxAt(event), { tip } = this;
            this.canvas.classList.toggle('over', Boolean(box));
            tip.hidden = !box;
            if (!box) return;
            this.fillWords(tip, box);
            const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
            const below = event.clientY + 18, above = event.clientY - tip.offsetHeight - 10;
            tip.style.left = Math.max(left, 4) + 'px';
            tip.style.top = (below + tip.offsetHeight > window.innerHeight ? Math.max(above, 4) : below) + 'px';
        },

        onClick(event) {
            const box = this.boxAt(event);
            this.tip.hidden = true;
            if (box && event.shiftKey && box.node)
                this.startSandwich(box);
            else if (box)
                this.zoomTo(box);
        },

        /* ---- keys ------------------------------------------------------------------------------------------------ */
        /** Choose TARGET. Zoom out until it is seen, and scroll to it. */
        setFocus(target) {
            const { shape, window } = this.layers[target.layer], { box } = this, left = shape.x[target.node];
            this.focus = target;
            if (left < window.from || left + shape.width[target.node] > window.from + window.width * 1.000001)
                this.setZoom('');
            const drawn = this.boxOf(target), top = drawn ? drawn.y : shape.depth[target.node] * ROW;
            if (box.scrollHeight > box.clientHeight)
                box.scrollTop = Math.max(top - box.clientHeight / 2, 0);
            this.showDetail();
            this.draw();
        },

        /** Where the arrow keys begin. */
        start() { return this.focus || (this.layers.length > 1 ? { layer: 1, node: 0 } : this.zoom); },

        /** The children of NODE, in the order in which they are drawn. */
        childrenOf({ order, parent, width }, node) {
            return order.filter((other) => parent[other] === node && width[other] > 0);
        },

        moveAside(step) {
            const { layer, node } = this.start(), { shape } = this.layers[layer];
            const siblings = this.childrenOf(shape, shape.parent[node]);
            this.setFocus({ layer, node: siblings[siblings.indexOf(node) + step] ?? node });
        },

        /** To the first frame below (1), or the one above (-1); of one half of a sandwich into the other. */
        moveDown(step) {
            const { layer, node } = this.start(), { shape, up, first } = this.layers[layer], other = this.layers[1 - layer];
            const next = (step > 0) === !up ? this.childrenOf(shape, node)[0] ?? node : shape.parent[node];
            const crosses = other && shape.depth[next] < first;
            this.setFocus(!crosses ? { layer, node: next }
                : { layer: 1 - layer, node: other.shape.order.find((one) => other.shape.depth[one] === other.first) ?? 0 });
        },

        startSandwich({ layer, node }) { this.change({ of: String(this.layers[layer].shape.frame[node]) }); },

        /** Callers and callees of the frame that is chosen; without one: back out of them. */
        switchSandwich() {
            const at = this.focus || this.zoom;
            if (this.sandwich !== null && !this.focus)
                this.change({ of: '' });
            else if (at.node)
                this.startSandwich(at);
            this.canvas.focus();
        },

        addKeys() {
            const inGraph = (run) => ({ target }) => target === this.canvas || target === document.body ? run() : false;
            const runtimes = Array.from(RUNTIME.keys()), nextOf = (list, one) => (list.indexOf(one) + 1) % list.length;
            addKey('ArrowDown', '', inGraph(() => this.moveDown(1)));
            addKey('ArrowUp', '', inGraph(() => this.moveDown(-1)));
            addKey('ArrowRight', '', inGraph(() => this.moveAside(1)));
            addKey('ArrowLeft', '', inGraph(() => this.moveAside(-1)));
            addKey('arrows', 'go to callers, callees and neighbours', () => false, '\u2190 \u2191 \u2192 \u2193');
            addKey('Enter', 'zoom to the frame; again: back', inGraph(() => this.zoomTo(this.focus || this.zoom)));
            addKey('Escape', 'back: out of the zoom, the sandwich, the search', () => this.back(), 'Esc');
            addKey('Home', 'the whole graph', () => { this.zooms = []; this.setZoom(''); });
            addKey('/', 'search', () => { this.search.focus(); this.search.select(); });
            addKey('n', 'next match', () => this.goToMatch(1));
            addKey('N', 'previous match', () => this.goToMatch(-1));
            addKey('s', 'callers and callees of the frame (also: Shift and click)', () => this.switchSandwich());
            addKey('i', 'invert: from the leaves to the root', () => this.sandwich === null && this.flip('invert'));
            addKey('r', 'fold recursion', () => this.flip('fold'));
            addKey('h', 'frames of the runtime: dimmed, hidden, as others',
                () => this.change({ runtime: runtimes[nextOf(runtimes, this.state.runtime)] }));
            if (this.profiles.some((profile) => profile.diff))
                addKey('w', 'widths: of the size, of the change', () => this.view.diff && this.flip('widths'));
            if (this.profiles.length > 1)
                addKey('v', 'next view', () => this.showView(nextOf(this.profiles, this.view)));
        },

        /* ---- the table ------------------------------------------------------------------------------------------- */
        tableBox() {
            const head = (attributes, text) => make('th', { scope: 'col', ...attributes }, text);
            const figures = { colspan: 2, title: 'In figures, and as a share of all (of all change, if there is a base)' };
            this.sort = 'total';
            this.tableRows = TABLE_ROWS;
            this.sorters = ['Self', 'Total'].map((name) => head(figures,
                button(name, 'Sort by ' + name.toLowerCase(), () => { this.sort = name.toLowerCase(); this.fillTable(); })));
            this.more = button('', '', () => { this.tableRows *= 4; this.fillTable(); });
            this.rows = make('tbody');
            this.caption = make('h3');
            const first = make('thead', {}, make('tr', {}, this.sorters, head({}, 'Function'), head({}, 'Source')));
            return make('section', { class: 'functions' }, this.caption,
                make('div', { class: 'scroll' }, make('table', {}, first, this.rows)), this.more);
        },

        fillTable() {
            const { view, sort, tableRows } = this, { hideRuntime } = this.options;
            const size = ([now, before]) => view.diff ? Math.abs(now - before) : now;
            const rows = functions(view, hideRuntime).filter(({ frame, number }) =>
                !(hideRuntime && isRuntime(frame)) && (!this.expression || this.matched.has(number)));
            rows.sort((a, b) => size(b[sort]) - size(a[sort]) || size(b.total) - size(a.total) || a.number - b.number);
            this.sorters.forEach((cell, i) =>
                cell.setAttribute('aria-sort', sort === ['self', 'total'][i] ? 'descending' : 'none'));
            this.rows.replaceChildren(...rows.slice(0, tableRows).map((row) => this.tableRow(row)));
            this.caption.textContent = rows.length + (rows.length === 1 ? ' function' : ' functions')
                + (this.expression ? ' that match' : '');
            this.more.hidden = rows.length <= tableRows;
            this.more.textContent = 'Show more of ' + rows.length;
        },

        /** A value and its share, as two cells. */
        figures([now, before]) {
            const { diff, unit, changes, total } = this.view, value = diff ? now - before : now;
            const share = value ? percent(value, diff ? changes : total) : '';
            return [(diff ? formatChange : format)(value, unit), share].map((text) => make('td', { class: 'number' }, text));
        },

        tableRow({ number, frame, self, total }) {
            const name = button(frame.compact, frame.name + '\nShow its callers and callees', () => {
                this.change({ of: String(number) });
                this.canvas.focus();
                this.box.scrollIntoView({ block: 'nearest' });
            });
            return make('tr', { class: this.isDim(frame) ? 'dim' : '' }, this.figures(self), this.figures(total),
                make('td', {}, name), make('td', { class: 'place' }, place(frame)));
        },
    });

    /** Unpack the trees of PROFILES (entries may share one), and show them in ELEMENT. */
    gumshoeGraph.mount = async function (element, profiles) {
        try {
            const trees = new Map();
            for (const { id, data } of profiles.filter((profile) => profile.data))
                trees.set(id, gumshoeTree.unpack(await gumshoe.inflate(data)));
            const treeOf = (profile) => trees.get(profile.data ? profile.id : profile.data_of);
            new Graph(element, profiles.map((profile) => gumshoeTree.attach(profile, treeOf(profile)))).readHash();
            performance.mark('gumshoe-drawn');
        } catch (error) {
            element.append(make('p', { class: 'error' }, 'The profile in this page cannot be shown: ' + error.message));
        }
    };
})();
