'use strict';
/* report.js - the pictures of an incident's page. The page is complete without them: each stands above the table or list
 * that says the same in words.
 *
 *   data.incident.history  ──▶ #plots   metrics over time, with the rules' lines and the moment of the trigger
 *   data.incident.memory   ──▶ #band    resident memory as a stacked band, at the baseline and now
 *   data.incident.deadlock ──▶ #ring    threads that wait for each other
 *   data.profiles          ──▶ #graph   (graph.js)
 *
 * Hash: range=near|hours|days|all, open=ID.ID: the time that plots show, and which details are open. */
(function () {
    const { make, makeSvg: svg, button, press, hash } = gumshoe;
    const { incident, profiles } = gumshoe.data();
    const at = (id) => document.getElementById(id);

    /* ---- numbers and times --------------------------------------------------------------------------------------- */
    const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

    /** A value of a metric, as the text of the page has it: "93.2 MiB", "12 %", "4/s". */
    function words(value, unit) {
        if (!unit.startsWith('bytes'))
            return String(Number(value.toPrecision(4))) + { percent: ' %', '1/s': '/s', count: '' }[unit];
        const power = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log2(Math.abs(value) || 1) / 10)));
        return `${Number((value / 1024 ** power).toFixed(1))} ${SIZES[power]}${unit === 'bytes/s' ? '/s' : ''}`;
    }

    /** Seconds before or after the trigger: "−4.5 s", "−12 min". */
    function age(seconds) {
        const size = Math.abs(seconds);
        const [divisor, unit] = [[86400, 'd'], [3600, 'h'], [60, 'min']].find(([least]) => size >= 2 * least) || [1, 's'];
        const text = `${seconds < 0 ? '−' : '+'}${Number((size / divisor).toPrecision(3))} ${unit}`;
        return size < 0.05 ? incident.history.moment : text;
    }

    const TIMES = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 432000, 864000];

    /** A round step near SPAN / COUNT: 1, 2 or 5 times a power of ten; of 1024 for bytes; one of TIMES for times. */
    function step(span, count, unit) {
        const least = span / count, time = unit === 'time' && TIMES.find((size) => size >= least);
        const base = unit.startsWith('bytes') ? 1024 ** Math.max(0, Math.floor(Math.log(least) / Math.log(1024))) : 1;
        const power = base * 10 ** Math.floor(Math.log10(least / base));
        return time || power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999);
    }

    /* ---- the metrics --------------------------------------------------------------------------------------------- */
    const HEAD = 18, FOOT = 20, LEFT = 66, RIGHT = 10, LETTER = 6.3, LINE = 14; // the last two: of a label

    /** What METRIC's plot shows in RANGE ("all" or "near"), and where a value or a time is in it. */
    function planOf(metric, range, figure) {
        const width = Math.max(260, figure.clientWidth), height = figure.classList.contains('large') ? 230 : 130;
        const { low, high = low } = metric[range], [from, to] = incident.history[range];
        const lines = metric.lines.map((line) => ({ ...line, at: line[range] })).filter((line) => line.at !== null);
        const values = [...low, ...high, ...lines.flatMap((line) => line.at)].filter((value) => value !== null);
        const most = Math.max(...values, metric.fired ? incident.history.value || 0 : 0), bottom = Math.min(0, ...values);
        const top = most > bottom ? most + (most - bottom) * 0.06 : bottom + 1;
        const known = Array.from(high.keys()).filter((i) => high[i] !== null), last = known.length - 1;
        return {
            metric, unit: metric.unit, width, height, low, high, lines, bottom, top, from, to, known,
            gap: Math.max(8 + low.length / 16, 2.5 * (known[last] - known[0]) / last || 0), // as wide a gap breaks a line
            zero: incident.history.triggered || to, right: width - RIGHT, foot: height - FOOT, taken: [],
            time: (column) => from + (column + 0.5) / low.length * (to - from),
            column: (time) => Math.floor((time - from) / (to - from || 1) * low.length),
            x: (time) => LEFT + (time - from) / (to - from || 1) * (width - LEFT - RIGHT),
            y: (value) => HEAD + (top - value) / (top - bottom) * (height - HEAD - FOOT),
            has: (time) => time !== null && time >= from && time <= to,
        };
    }

    /** A label at the first of PLACES [x, y, anchor] that is inside of the plot and free; no label, if none is. */
    function label({ width, taken }, text, places) {
        const size = text.length * LETTER;
        const box = places.map(([x, y, anchor]) => ({ x, y, anchor, from: x - (anchor === 'end' ? size : 0), size })).find(
            ({ from, y }) => from >= 0 && from + size <= width && y >= LINE - 2 && !taken.some((other) =>
                Math.abs(other.y - y) < LINE && from < other.from + other.size && other.from < from + size));
        taken.push(...(box ? [box] : []));
        return box ? [svg('text', { class: 'label', x: box.x, y: box.y, 'text-anchor': box.anchor }, text)] : [];
    }

    /** Where VALUES are known: lists of columns. One ends where none is known for long, or another process begins. */
    function runs({ gap, column }, values) {
        const known = Array.from(values.keys()).filter((i) => values[i] !== null), { restarts } = incident.history;
        const begins = known.filter((i, at) => i - known[at - 1] <= gap ? restarts.some((one) =>
            column(one.time) > known[at - 1] && column(one.time) <= i) : true);
        return begins.map((first, at) => known.filter((i) => i >= first && !(i >= begins[at + 1])));
    }

    const path = (plan, columns, values) => 'M' + columns.map((i) => // one column is a point
        `${plan.x(plan.time(i)).toFixed(1)} ${plan.y(values[i]).toFixed(1)}`).join('L') + (columns.length === 1 ? 'h2' : '');
    const paths = (plan, values) => runs(plan, values).map((columns) => path(plan, columns, values)).join('');

    function drawAxes(plan) {
        const { bottom, top, unit, width, height, zero, from, to } = plan, parts = [];
        const rise = step(top - bottom, height > 160 ? 4 : 2, unit);
        const run = step(to - from, Math.max(2, (width - LEFT) / 110), 'time');
        for (let value = Math.ceil(bottom / rise) * rise; value <= top; value += rise) {
            const y = plan.y(value);
            parts.push(svg('line', { class: 'grid', x1: LEFT, x2: plan.right, y1: y, y2: y }),
                svg('text', { class: 'tick', x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, words(value, unit)));
        }
        for (let time = Math.ceil((from - zero) / run) * run; time <= to - zero; time += run) {
            const x = plan.x(zero + time), anchor = x > plan.right - 24 ? 'end' : 'middle';
            parts.push(svg('text', { class: 'tick', x, y: height - 5, 'text-anchor': anchor }, time ? age(time) : '0'));
        }
        return parts;
    }

    /** The lines of the rules. */
    function drawLines(plan) {
        return plan.lines.flatMap((line) => {
            const moves = Array.isArray(line.at), first = moves ? line.at.find((value) => value !== null) : line.at;
            const d = moves ? paths(plan, line.at) : `M${LEFT} ${plan.y(first)}H${plan.right}`;
            const above = plan.y(first) - 4, below = above + 16, left = LEFT + 6, right = plan.right - 4;
            const places = [[left, above, 'start'], [left, below, 'start'], [right, above, 'end'], [right, below, 'end']];
            return [svg('path', { class: line.fired ? 'line fired' : 'line', d }),
                label(plan, `${line.name}: ${words(first, plan.unit)}`, places)];
        }).flat();
    }

    /** The trigger, the baseline, and other incidents of this process. */
    function drawMarks(plan) {
        const { triggered, baseline, incidents, restarts, moment } = incident.history, y = HEAD - 5;
        const marks = [
            { time: triggered, kind: 'trigger', name: moment, title: `the ${moment}` },
            ...restarts.map(({ time, pid }) => ({ time, kind: 'restart', name: 'restart', title: `process ${pid} begins` })),
            { time: baseline, kind: 'baseline', name: 'baseline', title: 'the baseline' },
            ...incidents.map(({ time, rule }) => ({ time, kind: 'other', name: rule, title: `incident of rule ${rule}` })),
        ].filter(({ time }) => plan.has(time));
        return marks.map(({ time, kind, name, title }) => {
            const x = plan.x(time), left = [x - 3, y, 'end'], right = [x + 3, y, 'start'];
            const first = Math.min(x, ...plan.taken.map(({ from }) => from)) - 6; // before all other labels
            const isFar = kind === 'other' || marks.some((one) => plan.x(one.time) > first && plan.x(one.time) < x);
            return [svg('line', { class: `mark ${kind}`, x1: x, x2: x, y1: HEAD, y2: plan.foot }, svg('title', {}, title)),
                label(plan, name, [left, right, ...(isFar ? [] : [[first, y, 'end']])])];
        }).reverse().flat(2);
    }

    /** The value that fired the rule, which no tick may have seen, joined to the last tick before it. */
    function drawTrigger(plan) {
        const { triggered, value } = incident.history, last = plan.known[plan.known.length - 1];
        if (!plan.metric.fired || value === null || !plan.has(triggered)) return [];
        const x2 = plan.x(triggered), y2 = plan.y(value), dot = svg('circle', { class: 'trigger', cx: x2, cy: y2, r: 4.5 });
        if (last === undefined || plan.time(last + 0.5) >= triggered) return [dot];
        const x1 = plan.x(plan.time(last)), y1 = plan.y(plan.high[last]);
        return [svg('line', { class: 'values to-trigger', x1, y1, x2, y2 }), dot];
    }

    /** The value under the pointer, or that the arrow keys choose. */
    function follow(plan, picture, reading) {
        const { known, low, high, unit } = plan, last = known.length - 1;
        const cursor = svg('path', { class: 'cursor', d: '' });
        let chosen = last;
        const show = (index) => {
            chosen = Math.max(0, Math.min(last, index));
            const column = known[chosen], time = plan.time(column);
            cursor.setAttribute('d', `M${plan.x(time)} ${HEAD}V${plan.foot}`);
            reading.textContent = `${age(time - plan.zero)}: ${words(low[column], unit)}`
                + (high[column] !== low[column] ? ` to ${words(high[column], unit)}` : '');
        };
        picture.append(cursor);
        if (last < 0) return;
        picture.addEventListener('pointermove', (event) => {
            const x = event.clientX - picture.getBoundingClientRect().left;
            const distances = known.map((column) => Math.abs(plan.x(plan.time(column)) - x));
            show(distances.indexOf(Math.min(...distances)));
        });
        picture.addEventListener('keydown', (event) => {
            const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
            if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
            event.preventDefault();
            event.stopPropagation();
            show(chosen + move);
        });
    }

    function describe({ metric, unit, known, high, lines }) {
        const values = known.map((i) => high[i]), print = (value) => words(value, unit);
        return values.length ? `${metric.name} over time, from ${print(values[0])} to ${print(values[values.length - 1])}, `
            + `at most ${print(Math.max(...values))}${lines.map((line) => `, the line of rule ${line.name}`).join('')}. `
            + 'The arrow keys read values; the table below has the numbers.' : `${metric.name}: no values`;
    }

    function plot(metric, range, figure) {
        const plan = planOf(metric, range, figure), { width, height, low, high } = plan;
        const reading = make('span', { class: 'reading' });
        const band = runs(plan, high).map((columns) => path(plan, columns, high)
            + path(plan, [...columns].reverse(), low).replace('M', 'L') + 'Z').join('');
        const marks = drawMarks(plan); // their labels have the first choice
        const picture = svg('svg', {
            width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: 0, 'aria-label': describe(plan),
        }, drawAxes(plan), svg('path', { class: 'band', d: band }),
        svg('path', { class: 'values', d: paths(plan, high) }), drawLines(plan), marks, drawTrigger(plan));
        figure.replaceChildren(make('figcaption', {}, make('b', {}, metric.name), ' ', reading), picture);
        follow(plan, picture, reading);
    }

    let redraw = () => {};
    function plots() {
        const box = at('plots'), { history } = incident;
        if (!box || !history || !history.metrics.length) return;
        const names = { near: 'Last 30 min', hours: 'Last 3 h', days: 'Last 3 d', all: 'All of it' };
        const ranges = Object.keys(names).filter((name) => history[name]);
        const figures = history.metrics.map((_, i) => make('figure', { class: i === 0 ? 'plot large' : 'plot' }));
        const buttons = ranges.map((range) => button(names[range], 'The time that the plots show',
            () => { hash.set({ range }); redraw(); }, { 'data-range': range }));
        redraw = () => {
            const range = ranges.includes(hash.get('range')) ? hash.get('range') : ranges[0];
            history.metrics.forEach((metric, i) => plot(metric, range, figures[i]));
            buttons.forEach((one, i) => press(one, ranges[i] === range));
        };
        const isShown = (_, i) => i === 0 || history.metrics[i].lines.length > 0 || history.metrics[i].name === 'rss';
        const others = figures.filter((one, i) => !isShown(one, i));
        box.append(make('div', { class: 'toolbar' }, ranges.length > 1 ? buttons : []),
            make('div', { class: 'plots' }, figures.filter(isShown)));
        const summary = make('summary', {}, `${others.length} more metrics, which no rule names`);
        if (others.length) // a closed picture has no width: they are drawn again when they open
            box.append(make('details', { toggle: redraw }, summary, make('div', { class: 'plots' }, others)));
        let drawn = 0;
        new ResizeObserver(() => {
            if (box.clientWidth !== drawn)
                redraw();
            drawn = box.clientWidth;
        }).observe(box);
    }

    /* ---- memory -------------------------------------------------------------------------------------------------- */
    const PARTS = ['#0072b2', '#56b4e9', '#e69f00', '#009e73', '#f0e442', '#cc79a7', '#8a8a8a', '#d55e00'];

    function band() {
        const box = at('band'), { memory } = incident;
        if (!box || !memory || !memory.parts.length) return;
        const print = (value) => words(value || 0, 'bytes');
        const sum = (key) => memory.parts.reduce((total, part) => total + (part[key] || 0), 0);
        const most = Math.max(sum('now'), sum('before')) || 1;
        for (const [key, name] of [['before', memory.age_s && `${age(-memory.age_s).slice(1)} before`], ['now', 'now']]) {
            let x = 0;
            const texts = memory.parts.map((part) => `${part.name} ${print(part[key])}`);
            const pieces = memory.parts.map((part, i) => {
                const from = x, share = 100 * (part[key] || 0) / most;
                x += share;
                return svg('rect', { fill: PARTS[i % PARTS.length], x: `${from}%`, width: `${share}%`, height: 30 },
                    svg('title', {}, texts[i]));
            });
            const all = `Resident memory, ${name}: ${texts.filter((_, i) => memory.parts[i][key]).join(', ')}`;
            const picture = svg('svg', { width: '100%', height: 30, role: 'img', 'aria-label': all }, pieces);
            const when = make('span', { class: 'when' }, `${name}: `, make('b', {}, print(sum(key))));
            if (name)
                box.append(make('div', { class: 'row' }, when, picture));
        }
        const chip = (fill) => svg('svg', { class: 'chip' }, svg('rect', { width: 20, height: 20, fill }));
        document.querySelectorAll('#memory th.part').forEach((cell, i) => cell.prepend(chip(PARTS[i % PARTS.length])));
    }

    /* ---- a deadlock ---------------------------------------------------------------------------------------------- */
    /** TEXT with its middle left out, if it is longer than MOST. */
    function cut(text, most) {
        return text.length > most ? `${text.slice(0, most / 2 - 1)}…${text.slice(1 - most / 2)}` : text;
    }

    function ring() {
        const place = at('ring'), threads = incident.deadlock || [], count = threads.length;
        if (!place || !count) return;
        const width = Math.min(place.clientWidth || 640, 760), narrow = width < 520, beside = count === 2 && !narrow;
        const box = { width: narrow ? 150 : 190, height: 46, room: width };
        const radius = { x: (width - box.width) / 2 - 8, y: beside ? 0 : Math.max(95, count * 26 + 42) };
        const height = 2 * radius.y + box.height + (beside ? 110 : 40);
        const center = threads.map((_, i) => {
            const angle = (beside ? Math.PI : -Math.PI / 2) + 2 * Math.PI * i / count;
            return { x: width / 2 + radius.x * Math.cos(angle), y: height / 2 + radius.y * Math.sin(angle) };
        });
        const arrows = threads.flatMap((thread, i) => {
            const to = threads.findIndex((other) => other.tid === thread.held_by);
            return to >= 0 && to !== i ? arrow(center[i], center[to], box, thread) : [];
        });
        const size = { viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' };
        const head = svg('marker', { id: 'arrow', ...size }, svg('path', { class: 'head', d: 'M0 0L8 4L0 8Z' }));
        place.append(svg('svg', {
            width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
            'aria-label': `Deadlock of ${count} threads; the list below says who waits for whom.`,
        }, svg('defs', {}, head), arrows, threads.flatMap((thread, i) => node(center[i], box, thread))));
    }

    /** An arrow from the thread that waits to the one that holds the lock, bent to its left, and the lock's name. */
    function arrow(from, to, box, thread) {
        const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy) || 1;
        const left = { x: dy / length, y: -dx / length };
        const control = { x: (from.x + to.x) / 2 + 58 * left.x, y: (from.y + to.y) / 2 + 58 * left.y };
        const edge = (point) => {
            const x = control.x - point.x, y = control.y - point.y;
            const scale = Math.min((box.width / 2 + 4) / Math.abs(x || 1e-9), (box.height / 2 + 4) / Math.abs(y || 1e-9));
            return { x: point.x + x * scale, y: point.y + y * scale };
        };
        const start = edge(from), end = edge(to);
        const beside = (axis) => (start[axis] + 2 * control[axis] + end[axis]) / 4 + 11 * left[axis]; // its middle
        const d = `M${start.x} ${start.y}Q${control.x} ${control.y} ${end.x} ${end.y}`;
        const text = thread.what === 'join' ? 'waits for its end' : `waits for ${cut(thread.lock, 28)}`;
        const size = text.length * LETTER, shift = left.x > 0.3 ? 0 : left.x < -0.3 ? size : size / 2;
        const x = Math.max(0, Math.min(box.room - size, beside('x') - shift));
        return [svg('path', { class: 'arrow', d, 'marker-end': 'url(#arrow)' }),
            svg('text', { class: 'label', x, y: beside('y') + 4 }, text)];
    }

    function node({ x, y }, { width, height }, thread) {
        const room = Math.floor(width / 8), who = `${thread.name}/${thread.tid}`;
        return [svg('rect', { class: 'thread', x: x - width / 2, y: y - height / 2, width, height, rx: 6 },
            svg('title', {}, `${who} in ${thread.function}`)),
        svg('text', { class: 'function', x, y: y - 3, 'text-anchor': 'middle' }, cut(thread.function || '?', room)),
        svg('text', { class: 'label', x, y: y + 14, 'text-anchor': 'middle' }, cut(who, room))];
    }

    /* ---- details ------------------------------------------------------------------------------------------------- */
    /** Which are open stands in the hash; all are for the printer. */
    function details() {
        const named = [...document.querySelectorAll('details[id]')], open = hash.get('open').split('.');
        const save = () => hash.set({ open: named.filter((one) => one.open).map((one) => one.id).join('.') });
        for (const one of named) {
            one.open = one.open || open.includes(one.id);
            one.addEventListener('toggle', save);
        }
        let closed = [];
        const set = (isOpen) => closed.forEach((one) => { one.open = isOpen; });
        window.addEventListener('beforeprint', () => {
            closed = document.querySelectorAll('details:not([open], .text)');
            set(true);
        });
        window.addEventListener('afterprint', () => set(false));
    }

    at('main').prepend(gumshoe.pageButtons());
    details();
    plots();
    band();
    ring();
    hash.listen(() => redraw());
    if (at('graph') && profiles.length)
        gumshoeGraph.mount(at('graph'), profiles);
})();
