'use strict';
/* tree.js - the packed tree of a profile, and the shapes in which graph.js draws it.
 *
 *   packed ──unpack──▶ tree: nodes in preorder, parent before child; node 0 is "all"
 *   tree ──shapes──▶ nodes with now, before, width, x: from the root, inverted, or callers and callees of one function */

const gumshoeTree = (function () {
    const FRAME_FIELDS = 7;
    const PROGRAM = 0, LIBRARY = 1, PLUMBING = 2; // whose code, as enum gs_code; larger: the runtime

    /** Rows of the frames in LIST. "shade" tells neighbours apart, and is the same for one name everywhere. */
    function unpackFrames(names, list) {
        const frames = [];
        for (let at = 0; at < list.length; at += FRAME_FIELDS) {
            const [number, compact, own, file, line, module, code] = list.slice(at, at + FRAME_FIELDS), name = names[number];
            const shade = Array.from(name).reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) >>> 0, 7) % 3;
            frames.push({ name, compact: names[compact], own, file: names[file], line, module: names[module], code, shade });
        }
        return frames;
    }

    /** A column of COUNT values. LIST: how many zeros, a value, how many zeros, a value, … */
    function unpackColumn(list, count) {
        const column = new Float64Array(count);
        for (let i = 0, node = 0; i < list.length; i += 2, node++)
            column[node += list[i]] = list[i + 1];
        return column;
    }

    /** Make a tree of PACKED, the JSON of page_pack.c. */
    function unpack(packed) {
        const count = packed.frame.length, path = [];
        const tree = {
            count, frames: unpackFrames(packed.names, packed.frames),
            frame: Int32Array.from(packed.frame), parent: new Int32Array(count), depth: new Int32Array(count),
            columns: packed.self.map((column) => unpackColumn(column, count)),
        };
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
    const isRuntime = (frame) => frame.code >= PLUMBING;
    const codeName = (frame) => ['program', 'library', 'allocator wrapper'][frame.code] || 'runtime';
    /** "src/cache.c:120", or the library. */
    const place = ({ file, line, module }) => file ? file + (line > 0 ? ':' + line : '') : module;

    /* ---- shapes -------------------------------------------------------------------------------------------------- */
    /** An empty shape; its nodes are added by child(). */
    const newShape = (tree) =>
        ({ tree, frame: [tree.frame[0]], parent: [0], depth: [0], selfNow: [0], selfBefore: [0], children: new Map() });

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

    /** Where a stack goes on from NODE into FRAME: to a child; with folded recursion to the node that has FRAME already. */
    function step(shape, node, frame, options) {
        if (options.hideRuntime && isRuntime(shape.tree.frames[frame])) return node;
        if (options.fold)
            for (let at = node; at > 0; at = shape.parent[at])
                if (shape.frame[at] === frame) return at;
        return child(shape, node, frame);
    }

    /** From the root to the leaves; with START: from its outermost calls. */
    function buildDown(view, options, start) {
        const { tree, selfNow, selfBefore } = view, shape = newShape(tree);
        const at = new Int32Array(tree.count).fill(-1); // of each node of the tree: its node in the shape; -1: none
        if (start === null)
            at[0] = 0;
        for (let node = 0; node < tree.count; node++) {
            const above = node ? at[tree.parent[node]] : -1;
            if (above >= 0)
                at[node] = step(shape, above, tree.frame[node], options);
            else if (tree.frame[node] === start)
                at[node] = child(shape, 0, start);
            if (at[node] < 0) continue;
            shape.selfNow[at[node]] += selfNow[node];
            shape.selfBefore[at[node]] += selfBefore[node];
        }
        return shape;
    }

    /** From each function, with its own value, to its callers; with START: from it, with what its outermost calls hold. */
    function buildUp(view, options, start) {
        const { tree } = view, shape = newShape(tree), inside = new Uint8Array(tree.count), all = start === null;
        const now = all ? view.selfNow : view.totalNow, before = all ? view.selfBefore : view.totalBefore;
        for (let node = 1; node < tree.count; node++) {
            const above = tree.parent[node], isStart = tree.frame[node] === start;
            if ((now[node] || before[node]) && (all || (isStart && !inside[above]))) {
                let at = all ? 0 : child(shape, 0, start);
                for (let from = all ? node : above; from > 0; from = tree.parent[from])
                    at = step(shape, at, tree.frame[from], options);
                shape.selfNow[at] += now[node];
                shape.selfBefore[at] += before[node];
            }
            inside[node] = isStart || inside[above];
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
        const { parent, width } = shape;
        shape.order = Array.from(shape.frame.keys()).slice(1)
            .sort((a, b) => parent[a] - parent[b] || width[b] - width[a] || shape.frame[a] - shape.frame[b]);
        shape.x = new Float64Array(shape.count);
        const next = new Float64Array(shape.count); // of each node: where its next child begins
        for (const node of shape.order) {
            const above = parent[node];
            shape.x[node] = shape.x[above] + next[above];
            next[above] += width[node];
        }
    }

    /** Set totals, widths and places. Widths of a differential view: of the larger side, or of the change alone. */
    function finish(shape, view, options) {
        const widthOf = !view.diff ? (now) => now : options.changes ? (now, before) => Math.abs(now - before) : Math.max;
        shape.count = shape.frame.length;
        shape.now = totals(shape.parent, shape.selfNow);
        shape.before = totals(shape.parent, shape.selfBefore);
        shape.width = totals(shape.parent, shape.selfNow.map((now, node) => widthOf(now, shape.selfBefore[node])));
        layOut(shape);
        return shape;
    }

    /** The shapes of VIEW: OPTIONS { invert, fold, hideRuntime, changes }. START: callers and callees of this function (a
     *  frame's number); null: one shape, of all. */
    function shapes(view, options, start) {
        const builders = start !== null ? [buildUp, buildDown] : options.invert ? [buildUp] : [buildDown];
        return builders.map((build) => finish(build(view, options, start), view, options));
    }

    /* ---- by function --------------------------------------------------------------------------------------------- */
    /** Self and total of each function; a recursive one counts once in a stack. Callers get what hidden frames hold. */
    function functions(view, hideRuntime) {
        const { tree } = view, path = [], onPath = new Int32Array(tree.frames.length);
        const owner = new Int32Array(tree.count); // of each node: the function that its own value is counted for
        owner[0] = tree.frame[0];
        const rows = tree.frames.map((frame, number) => ({ number, frame, self: [0, 0], total: [0, 0] }));
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
        const selfNow = tree.columns[profile.column], change = tree.columns[profile.column + 1];
        const selfBefore = selfNow.map((now, node) => profile.diff ? now - change[node] : 0);
        return Object.assign(profile, {
            tree, selfNow, selfBefore, changes: change.reduce((sum, one) => sum + Math.abs(one), 0), // in a diff: 100 %
            totalNow: totals(tree.parent, selfNow), totalBefore: totals(tree.parent, selfBefore),
        });
    }

    return { unpack, attach, shapes, functions, isRuntime, codeName, place, PROGRAM, LIBRARY };
})();
