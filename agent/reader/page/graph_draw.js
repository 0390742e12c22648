'use strict';
/* graph_draw.js - draws the graph of graph.js on its canvas; pointer and keys; the text that says what a frame is. */

(function () {
    const { make, format, formatChange, percent, addKey } = gumshoe;
    const { Graph, changeOf, readColours, stripes, hashOf, SIGNS, WORDS, ROW, PAD, FONT, ROWS_MAX, ABOVE_MAX, LEAST_WIDTH, RUNTIME } = gumshoeGraph;

    /* ---- drawing ------------------------------------------------------------------------------------------------- */

    const drawing = {
        draw() {
            const width = Math.max(this.box.clientWidth, 200);
            this.rowsOf();
            const height = this.rows * ROW + 1;
            const scale = Math.min(window.devicePixelRatio || 1, 16000 / height);
            this.canvas.width = Math.round(width * scale);
            this.canvas.height = Math.round(height * scale);
            this.canvas.style.width = width + 'px';
            this.canvas.style.height = height + 'px';
            const pen = this.canvas.getContext('2d');
            pen.setTransform(scale, 0, 0, scale, 0, 0);
            pen.font = FONT;
            pen.textBaseline = 'middle';
            this.pen = pen;
            this.letter = pen.measureText('M').width;
            this.colours = readColours();
            this.patterns = { new: stripes(pen, this.colours.grew, this.colours['grew-2'], true), gone: stripes(pen, this.colours.shrank, this.colours['shrank-2'], false) };
            this.boxes = []; // what is drawn, for the pointer: { layer, node, x, y, width }
            this.layers.forEach((layer, number) => this.drawLayer(layer, number, width));
            this.drawFocus();
            this.canvas.setAttribute('aria-label', this.describeAll());
        },

        /** Which rows of each layer are shown, and where. Where a zoom is deep, most of its callers are left out. In a sandwich neither
         *  layer's root is shown, and the function itself is in the lower layer only. */
        rowsOf() {
            const isSandwich = this.layers.length > 1;
            this.rows = 0;
            this.layers.forEach((layer, number) => {
                const depth = this.zoom.layer === number ? layer.shape.depth[this.zoom.node] : 0;
                layer.first = Math.max(isSandwich ? 2 - number : 0, depth - ABOVE_MAX);
                layer.window = this.windowOf(number);
                layer.shown = Math.max(Math.min(this.deepest(layer) - layer.first + 1, ROWS_MAX), 0);
                layer.top = this.rows;
                this.rows += layer.shown;
            });
        },

        /** The part of the layer's width that is shown: the zoomed node's. */
        windowOf(number) {
            const { shape } = this.layers[number];
            const node = this.zoom.layer === number ? this.zoom.node : 0;
            return { from: shape.x[node], width: shape.width[node] || 1 };
        },

        deepest({ shape, window }) {
            let most = 0;
            for (let node = 0; node < shape.count; node++)
                if (shape.depth[node] > most && shape.width[node] > 0 && shape.x[node] < window.from + window.width
                    && shape.x[node] + shape.width[node] > window.from)
                    most = shape.depth[node];
            return most;
        },

        drawLayer(layer, number, width) {
            const { shape, window, first } = layer;
            const unit = width / window.width;
            for (let node = 0; node < shape.count; node++) {
                const row = shape.depth[node] - first;
                const left = Math.max((shape.x[node] - window.from) * unit, 0);
                const right = Math.min((shape.x[node] + shape.width[node] - window.from) * unit, width);
                if (row < 0 || row >= layer.shown || right - left < LEAST_WIDTH)
                    continue;
                const y = (layer.top + (layer.up ? layer.shown - 1 - row : row)) * ROW;
                this.drawFrame(shape, node, left, y, right - left);
                this.boxes.push({ layer: number, node, x: left, y, width: right - left });
            }
        },

        drawFrame(shape, node, x, y, width) {
            const { pen, colours } = this;
            const frame = shape.tree.frames[shape.frame[node]];
            const look = this.lookOf(shape, node, frame);
            pen.fillStyle = look.fill;
            pen.fillRect(x, y, width > 2 ? width - 0.5 : Math.max(width, 0.5), ROW - 1);
            const room = Math.floor((width - 2 * PAD) / this.letter);
            if (room < 2)
                return;
            const sign = this.view.diff && node ? SIGNS[changeOf(shape, node)] + ' ' : '';
            const label = node ? sign + fitName(frame, room - sign.length) : this.nameOfAll();
            pen.fillStyle = look.plate || look.text;
            if (look.plate) // text is not readable on stripes
                pen.fillRect(x + 2, y + 2, Math.min(label.length * this.letter + 4, width - 4), ROW - 5);
            pen.fillStyle = look.text;
            pen.fillText(label.slice(0, room), x + PAD, y + ROW / 2);
            if (look.match) {
                pen.strokeStyle = colours['frame-text'];
                pen.strokeRect(x + 0.5, y + 0.5, Math.max(width - 1.5, 0), ROW - 2);
            }
        },

        nameOfAll() {
            const { view } = this;
            return view.label + ': ' + (view.diff ? formatChange(view.total - view.before, view.unit) : format(view.total, view.unit));
        },

        lookOf(shape, node, frame) {
            const { colours } = this;
            if (!node)
                return { fill: colours.all, text: colours['frame-text'] };
            if (this.matched.has(shape.frame[node]))
                return { fill: colours.match, text: colours['frame-text'], match: true };
            if (this.view.diff)
                return this.lookOfChange(changeOf(shape, node));
            if (this.state.runtime === 'dim' && gumshoeTree.isRuntime(frame))
                return { fill: colours.dim, text: colours['dim-text'] };
            return { fill: this.colourOf(frame), text: colours['frame-text'] };
        },

        lookOfChange(change) {
            const { colours } = this;
            if (this.patterns[change])
                return { fill: this.patterns[change], text: colours['frame-text'], plate: colours.paper };
            return { fill: colours[change], text: change === 'same' ? colours['dim-text'] : colours['frame-text'] };
        },

        /** Neighbours are told apart by three shades of one colour: the colour says whose code it is. */
        colourOf(frame) {
            if (frame.code === gumshoeTree.PROGRAM)
                return this.colours[['program', 'program-2', 'program-3'][hashOf(frame.name) % 3]];
            return frame.code === gumshoeTree.LIBRARY ? this.colours.library : this.colours.runtime;
        },

        drawFocus() {
            const box = this.focus && this.boxes.find(({ layer, node }) => layer === this.focus.layer && node === this.focus.node);
            if (!box)
                return;
            this.pen.strokeStyle = this.colours.focus;
            this.pen.lineWidth = 2;
            this.pen.strokeRect(box.x + 1, box.y + 1, Math.max(box.width - 2, 1), ROW - 3);
            this.pen.lineWidth = 1;
        },
    };

    /* ---- in words ------------------------------------------------------------------------------------------------ */

    const words = {
        describeAll() {
            const { view } = this;
            view.summary = view.summary || gumshoeTree.functions(view, false); // it is drawn often
            const names = view.summary.filter((row) => row.frame.code === gumshoeTree.PROGRAM)
                .sort((a, b) => Math.abs(b.self[0] - b.self[1]) - Math.abs(a.self[0] - a.self[1])).slice(0, 3).map((row) => row.frame.compact);
            return 'Icicle graph of ' + this.nameOfAll() + (names.length ? '. Largest by self: ' + names.join(', ') : '') + '. The table below has the same figures.';
        },

        /** What NODE holds: lines of text. */
        describe({ layer, node }) {
            const { shape } = this.layers[layer];
            const { view } = this;
            const frame = shape.tree.frames[shape.frame[node]];
            const now = shape.now[node], before = shape.before[node];
            const lines = [node ? frame.name : this.nameOfAll()];
            if (view.diff) {
                lines.push(WORDS[changeOf(shape, node)] + ': ' + formatChange(now - before, view.unit) + ' (' + percent(now - before, view.changes)
                    + ' of all change), from ' + format(before, view.unit) + ' to ' + format(now, view.unit));
            } else {
                const self = this.state.invert || this.layers[layer].up ? '' : ', self ' + format(shape.selfNow[node], view.unit);
                lines.push(format(now, view.unit) + ', ' + percent(now, view.total) + ' of all' + self);
            }
            if (node)
                lines.push(gumshoeTree.codeName(frame) + (gumshoeTree.place(frame) ? ', ' + gumshoeTree.place(frame) : ''));
            return lines;
        },

        showDetail(target) {
            const start = this.state.sandwich !== null && !this.zoom.node ? { layer: 1, node: this.layers[1].shape.order[0] || 0 } : this.zoom;
            const at = target || this.focus || start;
            const [name, ...rest] = this.describe(at);
            this.detail.replaceChildren(make('b', {}, name), ...rest.map((line) => make('span', {}, line)));
        },
    };

    /* ---- pointer ------------------------------------------------------------------------------------------------- */

    const pointer = {
        listenToCanvas() {
            this.canvas.addEventListener('mousemove', (event) => this.onMove(event));
            this.canvas.addEventListener('mouseleave', () => { this.tip.hidden = true; this.showDetail(); });
            this.canvas.addEventListener('click', (event) => this.onClick(event));
        },

        boxAt(event) {
            const area = this.canvas.getBoundingClientRect();
            const x = event.clientX - area.left, y = event.clientY - area.top;
            return this.boxes.find((box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + ROW);
        },

        onMove(event) {
            const box = this.boxAt(event);
            this.canvas.classList.toggle('over', Boolean(box));
            this.tip.hidden = !box;
            if (!box)
                return;
            const [name, ...rest] = this.describe(box);
            this.tip.replaceChildren(make('b', {}, name), ...rest.map((line) => make('span', {}, line)));
            const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - this.tip.offsetWidth - 8);
            const below = event.clientY + 18, above = event.clientY - this.tip.offsetHeight - 10;
            this.tip.style.left = Math.max(left, 4) + 'px';
            this.tip.style.top = (below + this.tip.offsetHeight > window.innerHeight ? Math.max(above, 4) : below) + 'px';
        },

        onClick(event) {
            const box = this.boxAt(event);
            if (!box)
                return;
            this.tip.hidden = true;
            if (event.shiftKey && box.node)
                this.change({ sandwich: this.layers[box.layer].shape.frame[box.node] });
            else
                this.zoomTo(box);
        },
    };

    /* ---- keys ---------------------------------------------------------------------------------------------------- */

    const keyboard = {
        setFocus(target) {
            this.focus = target;
            this.reveal(target);
            this.showDetail();
            this.draw();
        },

        /** Zoom out until TARGET is seen, and scroll to it. */
        reveal({ layer, node }) {
            const { shape, window } = this.layers[layer];
            const inside = shape.x[node] >= window.from && shape.x[node] + shape.width[node] <= window.from + window.width * 1.000001;
            if (!inside)
                this.setZoom('');
            const box = this.boxes.find((one) => one.layer === layer && one.node === node);
            const row = box ? box.y / ROW : shape.depth[node];
            if (this.box.scrollHeight > this.box.clientHeight)
                this.box.scrollTop = Math.max(row * ROW - this.box.clientHeight / 2, 0);
        },

        /** The children of NODE, or of its parent with it, in the order in which they are drawn. */
        childrenOf({ shape }, node) {
            return shape.order.filter((other) => shape.parent[other] === node && shape.width[other] > 0);
        },

        moveFocus(key) {
            const at = this.focus || (this.layers.length > 1 ? { layer: 1, node: 0 } : this.zoom);
            const layer = this.layers[at.layer];
            const { shape } = layer;
            const deeper = layer.up ? 'ArrowUp' : 'ArrowDown', back = layer.up ? 'ArrowDown' : 'ArrowUp';
            let node = at.node;
            if (key === deeper) {
                node = this.childrenOf(layer, node)[0] ?? node;
            } else if (key === back) {
                node = shape.parent[node];
            } else {
                const siblings = this.childrenOf(layer, shape.parent[node]);
                node = siblings[siblings.indexOf(node) + (key === 'ArrowRight' ? 1 : -1)] ?? node;
            }
            if (this.layers.length > 1 && shape.depth[node] < layer.first) // out of this layer, into the other
                this.setFocus({ layer: 1 - at.layer, node: this.firstShown(this.layers[1 - at.layer]) });
            else
                this.setFocus({ layer: at.layer, node });
        },

        /** The first node of LAYER that is drawn: the way from one half of a sandwich into the other. */
        firstShown(layer) {
            return layer.shape.order.find((node) => layer.shape.depth[node] === layer.first) ?? 0;
        },

        startSandwich() {
            const at = this.focus || this.zoom;
            const frame = this.layers[at.layer].shape.frame[at.node];
            if (this.state.sandwich !== null && !this.focus)
                this.change({ sandwich: null });
            else if (at.node)
                this.change({ sandwich: frame });
            this.canvas.focus();
        },

        cycle(list, value) {
            return list[(list.indexOf(value) + 1) % list.length];
        },

        addKeys() {
            for (const key of ['ArrowDown', 'ArrowUp', 'ArrowLeft', 'ArrowRight'])
                addKey(key, '', (event) => event.target === this.canvas || event.target === document.body ? this.moveFocus(key) : false);
            addKey('arrows', 'go to callers, callees and neighbours', () => false, '\u2190 \u2191 \u2192 \u2193');
            addKey('Enter', 'zoom to the frame; again: back', (event) => event.target === this.canvas || event.target === document.body ? this.zoomTo(this.focus || this.zoom) : false);
            addKey('Escape', 'back: out of the zoom, the sandwich, the search', () => this.back(), 'Esc');
            addKey('Home', 'the whole graph', () => { this.zooms = []; this.setZoom(''); });
            addKey('/', 'search', () => { this.search.focus(); this.search.select(); });
            addKey('n', 'next match', () => this.goToMatch(1));
            addKey('N', 'previous match', () => this.goToMatch(-1));
            addKey('s', 'callers and callees of the frame (also: Shift and click)', () => this.startSandwich());
            addKey('i', 'invert: from the leaves to the root', () => this.state.sandwich === null && this.change({ invert: !this.state.invert }));
            addKey('r', 'fold recursion', () => this.change({ fold: !this.state.fold }));
            addKey('h', 'frames of the runtime: dimmed, hidden, as others', () => this.change({ runtime: this.cycle(RUNTIME, this.state.runtime) }));
            if (this.profiles.some((profile) => profile.diff))
                addKey('w', 'widths: of the size, of the change', () => this.view.diff && this.change({ changes: !this.state.changes }));
            if (this.profiles.length > 1)
                addKey('v', 'next view', () => this.change({ view: (this.state.view + 1) % this.profiles.length }));
        },
    };

    /* ---- the table ----------------------------------------------------------------------------------------------- */

    const table = {
        fillTable() {
            const { view } = this;
            const side = (pair) => view.diff ? Math.abs(pair[0] - pair[1]) : pair[0];
            const hidden = this.state.runtime === 'hide';
            const rows = gumshoeTree.functions(view, hidden)
                .filter((row) => !(hidden && gumshoeTree.isRuntime(row.frame)))
                .filter((row) => !this.expression || this.matched.has(row.number));
            rows.sort((a, b) => side(b[this.sort]) - side(a[this.sort]) || side(b.total) - side(a.total) || a.number - b.number);
            this.sorters.forEach((cell, index) => cell.setAttribute('aria-sort', (index ? 'total' : 'self') === this.sort ? 'descending' : 'none'));
            this.table.replaceChildren(...rows.slice(0, this.tableRows).map((row) => this.tableRow(row)));
            this.caption.textContent = rows.length + (rows.length === 1 ? ' function' : ' functions') + (this.expression ? ' that match' : '');
            this.more.hidden = rows.length <= this.tableRows;
            this.more.textContent = 'Show more of ' + rows.length;
        },

        figures(pair) {
            const { view } = this;
            if (!view.diff)
                return [format(pair[0], view.unit), pair[0] ? percent(pair[0], view.total) : ''];
            const change = pair[0] - pair[1];
            return [formatChange(change, view.unit), change ? percent(change, view.changes) : ''];
        },

        tableRow({ number, frame, self, total }) {
            const name = make('button', { type: 'button', title: frame.name + '\nShow its callers and callees' }, frame.compact);
            name.addEventListener('click', () => { this.change({ sandwich: number }); this.canvas.focus(); this.box.scrollIntoView({ block: 'nearest' }); });
            const cells = [...this.figures(self), ...this.figures(total)].map((text) => make('td', { class: 'number' }, text));
            const dim = this.state.runtime === 'dim' && gumshoeTree.isRuntime(frame);
            return make('tr', { class: dim ? 'dim' : '' }, ...cells, make('td', {}, name),
                make('td', { class: 'place' }, gumshoeTree.place(frame)));
        },
    };

    Object.assign(Graph.prototype, drawing, words, pointer, keyboard, table);

    /** Unpack the trees of PROFILES (entries may share one), and show them in ELEMENT. */
    gumshoeGraph.mount = async function (element, profiles, options) {
        const trees = new Map();
        for (const profile of profiles)
            if (profile.data)
                trees.set(profile.id, gumshoeTree.unpack(await gumshoe.inflate(profile.data)));
        const shown = profiles.map((profile) => gumshoeTree.attach(profile, trees.get(profile.data ? profile.id : profile.data_of)));
        element.classList.add('graph');
        const graph = new Graph(element, shown, options || {});
        performance.mark('gumshoe-drawn');
        return graph;
    };
})();
