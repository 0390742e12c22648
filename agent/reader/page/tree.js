'use strict';
/* tree.js - the packed tree of a profile, and the shapes in which graph.js draws it.
 *
 *   packed ──unpack──▶ tree: nodes in preorder, parent before child; node 0 is "all"
 *   tree ──shape──▶ nodes with now, before, width, x: from the root, inverted, or what calls and is called by one function */

const gumshoeTree = (function () {
    const FRAME_FIELDS = 7;
    const PROGRAM = 0, LIBRARY = 1, PLUMBING = 2; // whose code, as enum gs_code; larger: the runtime

    function unpackFrames(names, list) {
        const frames = [];
        for (let at = 0; at < list.length; at += FRAME_FIELDS) {
            const [name, compact, own, file, line, module, code] = list.slice(at, at + FRAME_FIELDS);
            frames.push({ name: names[name], compact: names[compact], own, file: names[file], line, module: names[module], code });
        }
        return frames;
    }

    /** Make a tree of PACKED, the JSON of page_pack.c. */
    function unpack(packed) {
        const count = packed.frame.length;
        const tree = {
            count, frames: unpackFrames(packed.names, packed.frames),
            frame: Int32Array.from(packed.frame), parent: new Int32Array(count), depth: new Int32Array(count),
            self: packed.self.map((column) => Float64Array.from(column)),
        };
        const path = [];
        for (let node = 0; node < count; node++) {
            path.length += 1 - packed.up[node];
            const depth = path.length - 1;
            tree.depth[node] = depth;
            tree.parent[node] = depth ? path[depth - 1] : 0;
            path[depth] = node;
        }
        return tree;
    }

    /* ---- whose code ---------------------------------------------------------------------------------------------- */

    function isRuntime(frame) {
        return frame.code >= PLUMBING;
    }

    function codeName(frame) {
        return ['program', 'library', 'allocator wrapper'][frame.code] || 'runtime';
    }

    /** "src/cache.c:120", or the library. */
    function place(frame) {
        return frame.file ? frame.file + (frame.line > 0 ? ':' + frame.line : '') : frame.module;
    }

    /* ---- shapes -------------------------------------------------------------------------------------------------- */

    /** An empty shape; its nodes are added by child(). */
    function newShape(tree) {
        return { tree, frame: [tree.frame[0]], parent: [0], depth: [0], selfNow: [0], selfBefore: [0], children: new Map() };
    }

    /** The child of NODE with FRAME; added if it is new. */
    function child(shape, node, frame) {
        const key = node * shape.tree.frames.length + frame;
        let found = shape.children.get(key);
        if (found === undefined) {
            found = shape.frame.length;
            shape.children.set(key, found);
            shape.frame.push(frame);
            shape.parent.push(node);
            shape.depth.push(shape.depth[node] + 1);
            shape.selfNow.push(0);
            shape.selfBefore.push(0);
        }
        return found;
    }

    /** Where a stack goes on from NODE into FRAME: to a child; where recursion is folded, to the node that has FRAME already. */
    function step(shape, node, frame, options) {
        if (options.hideRuntime && isRuntime(shape.tree.frames[frame]))
            return node;
        if (options.fold)
            for (let at = node; at > 0; at = shape.parent[at])
                if (shape.frame[at] === frame)
                    return at;
        return child(shape, node, frame);
    }

    function addValue(shape, node, now, before) {
        shape.selfNow[node] += now;
        shape.selfBefore[node] += before;
    }

    /** From the root (or from the outermost calls of START) to the leaves. */
    function buildDown(view, options, start) {
        const { tree, selfNow, selfBefore } = view;
        const shape = newShape(tree);
        const at = new Int32Array(tree.count).fill(-1); // of each node of the tree: its node in the shape; -1: none
        if (start === null)
            at[0] = 0;
        for (let node = 0; node < tree.count; node++) {
            const above = node ? at[tree.parent[node]] : -1;
            if (above >= 0)
                at[node] = step(shape, above, tree.frame[node], options);
            else if (tree.frame[node] === start)
                at[node] = child(shape, 0, start);
            if (at[node] >= 0)
                addValue(shape, at[node], selfNow[node], selfBefore[node]);
        }
        return shape;
    }

    /** Add the stack of NODE, from it to the root, below AT in the shape. Returns where it ends. */
    function addInverted(shape, node, at, options) {
        const { tree } = shape;
        for (let from = node; from > 0; from = tree.parent[from])
            at = step(shape, at, tree.frame[from], options);
        return at;
    }

    /** From each function, with its own value, to its callers. */
    function buildInverted(view, options) {
        const { tree, selfNow, selfBefore } = view;
        const shape = newShape(tree);
        for (let node = 1; node < tree.count; node++)
            if (selfNow[node] || selfBefore[node])
                addValue(shape, addInverted(shape, node, 0, options), selfNow[node], selfBefore[node]);
        return shape;
    }

    /** From START, with all that its outermost calls hold, to its callers. */
    function buildCallers(view, options, start) {
        const { tree, totalNow, totalBefore } = view;
        const shape = newShape(tree);
        const inside = new Uint8Array(tree.count);
        for (let node = 1; node < tree.count; node++) {
            const isStart = tree.frame[node] === start;
            if (isStart && !inside[tree.parent[node]]) {
                const end = addInverted(shape, tree.parent[node], child(shape, 0, start), options);
                addValue(shape, end, totalNow[node], totalBefore[node]);
            }
            inside[node] = isStart || inside[tree.parent[node]];
        }
        return shape;
    }

    /** What nodes hold together with all below them. */
    function totals(parent, self) {
        const total = Float64Array.from(self);
        for (let node = total.length - 1; node > 0; node--)
            total[parent[node]] += total[node];
        return total;
    }

    /** Place the children of each node side by side, the widest first. */
    function layOut(shape) {
        const order = Array.from(shape.frame.keys()).slice(1);
        const { parent, width } = shape;
        order.sort((a, b) => parent[a] - parent[b] || width[b] - width[a] || shape.frame[a] - shape.frame[b]);
        shape.x = new Float64Array(shape.count);
        shape.order = order;
        for (let i = 0, next = 0; i < order.length; i++) {
            const node = order[i];
            if (i === 0 || parent[node] !== parent[order[i - 1]])
                next = shape.x[parent[node]];
            shape.x[node] = next;
            next += width[node];
        }
    }

    /** Set totals, widths and places. Widths of a differential view: of the larger side, or of the change alone. */
    function finish(shape, view, options) {
        shape.count = shape.frame.length;
        shape.now = totals(shape.parent, shape.selfNow);
        shape.before = totals(shape.parent, shape.selfBefore);
        const widthOf = !view.diff ? (now) => now
            : options.changes ? (now, before) => Math.abs(now - before) : Math.max;
        shape.width = totals(shape.parent, shape.selfNow.map((now, node) => widthOf(now, shape.selfBefore[node])));
        shape.rows = shape.depth.reduce((most, depth) => Math.max(most, depth), 0) + 1;
        layOut(shape);
        return shape;
    }

    /** The shape of VIEW: OPTIONS { invert, fold, hideRuntime, changes }. */
    function shape(view, options) {
        return finish(options.invert ? buildInverted(view, options) : buildDown(view, options, null), view, options);
    }

    /** The callers and callees of function START (a frame's number). */
    function sandwich(view, options, start) {
        return {
            callers: finish(buildCallers(view, options, start), view, options),
            callees: finish(buildDown(view, options, start), view, options),
        };
    }

    /* ---- by function --------------------------------------------------------------------------------------------- */

    /** Self and total of each function; a recursive one counts once in a stack. Hidden frames' own values are their callers'. */
    function functions(view, hideRuntime) {
        const { tree } = view;
        const owner = new Int32Array(tree.count); // of each node: the function that its own value is counted for
        owner[0] = tree.frame[0];
        const rows = tree.frames.map((frame, number) => ({ number, frame, self: [0, 0], total: [0, 0] }));
        const path = [], onPath = new Int32Array(tree.frames.length);
        for (let node = 1; node < tree.count; node++) {
            const row = rows[tree.frame[node]];
            while (path.length >= tree.depth[node])
                onPath[path.pop()]--;
            if (!onPath[row.number]) {
                row.total[0] += view.totalNow[node];
                row.total[1] += view.totalBefore[node];
            }
            owner[node] = hideRuntime && isRuntime(row.frame) ? owner[tree.parent[node]] : row.number;
            const holder = rows[owner[node]];
            holder.self[0] += view.selfNow[node];
            holder.self[1] += view.selfBefore[node];
            path.push(row.number);
            onPath[row.number]++;
        }
        return rows.filter((row) => row.total[0] || row.total[1]);
    }

    /** Complete PROFILE, an entry of the page's "profiles", with the columns of its tree. */
    function attach(profile, tree) {
        const selfNow = tree.self[profile.column];
        const selfBefore = profile.diff ? tree.self[profile.column + 1] : new Float64Array(tree.count); // the column may be another view's
        const changes = selfNow.reduce((sum, now, node) => sum + Math.abs(now - selfBefore[node]), 0);
        return Object.assign(profile, {
            changes, // the sum of all changes' sizes: what shares are of in a differential view
            tree, selfNow, selfBefore, totalNow: totals(tree.parent, selfNow), totalBefore: totals(tree.parent, selfBefore),
        });
    }

    return { unpack, attach, shape, sandwich, functions, isRuntime, codeName, place, PROGRAM, LIBRARY };
})();
