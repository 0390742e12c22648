'use strict';
/* report.js - the pictures of an incident's page. The page is complete without them: each picture stands above the table or list
 * that says the same in words.
 *
 *   data.incident.history  ──▶ #plots   metrics over time, with the rules' lines and the moment of the trigger
 *   data.incident.memory   ──▶ #band    resident memory as a stacked band, at the baseline and now
 *   data.incident.deadlock ──▶ #ring    threads that wait for each other
 *   data.profiles          ──▶ #graph   (graph.js)
 *
 * Hash: range=all|near, open=ID.ID: the time that plots show, and which details are open. */
(function () {
    const { make, toggle, hash } = gumshoe;
    const data = gumshoe.data(), incident = data.incident;
    const at = (id) => document.getElementById(id);

    /** An SVG element with attributes and children; those may be lists. */
    function svg(tag, attributes, ...children) {
        const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
        for (const [name, value] of Object.entries(attributes))
            element.setAttribute(name, value);
        element.append(...children.flat());
        return element;
    }

    /* ---- numbers and times ---- */

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
        if (size < 0.05) return incident.history.moment;
        const [divisor, unit] = size < 120 ? [1, 's'] : size < 7200 ? [60, 'min'] : size < 172800 ? [3600, 'h'] : [86400, 'd'];
        return `${seconds < 0 ? '−' : '+'}${+(size / divisor).toPrecision(3)} ${unit}`;
    }

    /** A round step near SPAN / COUNT: 1, 2 or 5 times a power of ten; of 1024 for bytes; of minutes, hours and days for times. */
    function step(span, count, unit) {
        const least = span / count;
        if (unit === 'time')
            for (const size of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400])
                if (size >= least) return size;
        const base = unit.startsWith('bytes') ? 1024 ** Math.max(0, Math.floor(Math.log(least) / Math.log(1024))) : 1;
        const power = 10 ** Math.floor(Math.log10(least / base));
        return base * power * [1, 2, 5, 10].find((factor) => factor * power * base >= least * 0.999);
    }

    /* ---- the metrics ---- */

    const HEAD = 18, FOOT = 20, LEFT = 66, RIGHT = 10;

    /** What a metric's plot shows in RANGE ("all" or "near"). */
    function seriesOf(metric, range, span) {
        const columns = metric[range], low = columns.low, high = columns.high || low;
        const lines = metric.lines.map((line) => ({ ...line, at: line[range] })).filter((line) => line.at !== null);
        const values = [...low, ...high, ...lines.flatMap((line) => line.at)].filter((value) => value !== null);
        const top = Math.max(...values, metric.fired ? incident.history.value || 0 : 0), bottom = Math.min(0, ...values);
        return { low, high, lines, bottom, top: top > bottom ? top + (top - bottom) * 0.06 : bottom + 1, span };
    }

    /** A path through the columns of VALUES, broken where one is missing for more than a few columns. */
    function path(values, x, y) {
        let d = '', last = -9;
        values.forEach((value, i) => {
            if (value === null) return;
            d += `${i - last > 8 + values.length / 16 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
            last = i;
        });
        return d.replace(/^L/, 'M');
    }

    function gaps(values) {
        return values.map((value, i) => (value === null ? -1 : i)).filter((i) => i >= 0);
    }

    /** Where a time is in a plot WIDTH wide. */
    function place(series, width, time) {
        const [from, to] = series.span;
        return LEFT + (time - from) / (to - from || 1) * (width - LEFT - RIGHT);
    }

    function drawAxes(series, unit, y, width, height) {
        const parts = [], [from, to] = series.span, zero = incident.history.triggered || to;
        const rise = step(series.top - series.bottom, height > 160 ? 4 : 2, unit);
        for (let value = Math.ceil(series.bottom / rise) * rise; value <= series.top; value += rise)
            parts.push(svg('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
                svg('text', { class: 'tick', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, words(value, unit)));
        const run = step(to - from, Math.max(2, (width - LEFT) / 110), 'time');
        for (let time = Math.ceil((from - zero) / run) * run; time <= to - zero; time += run) {
            const x = place(series, width, zero + time), end = x > width - RIGHT - 24;
            parts.push(svg('text', { class: 'tick', x, y: height - 5, 'text-anchor': end ? 'end' : 'middle' }, time ? age(time) : '0'));
        }
        return parts;
    }

    function drawLines(series, unit, x, y, width) {
        return series.lines.flatMap((line) => {
            const values = Array.isArray(line.at) ? line.at : series.low.map(() => line.at);
            const first = values.find((value) => value !== null);
            const d = Array.isArray(line.at) ? path(values, x, y) : `M${LEFT} ${y(line.at)}H${width - RIGHT}`;
            return [svg('path', { class: line.fired ? 'line fired' : 'line', d }),
                svg('text', { class: 'label', x: LEFT + 6, y: y(first) - 4 }, `${line.name}: ${words(first, unit)}`)];
        });
    }

    function drawMarks(metric, series, y, width, height) {
        const { triggered, baseline, incidents, value } = incident.history, [from, to] = series.span;
        const parts = [], inside = (time) => time !== null && time >= from && time <= to;
        const mark = (time, name, title, up) => parts.push(
            svg('line', { class: `mark ${name}`, x1: place(series, width, time), x2: place(series, width, time), y1: up, y2: height - FOOT }, svg('title', {}, title)));
        if (inside(baseline)) {
            mark(baseline, 'baseline', 'the baseline', HEAD);
            const room = place(series, width, triggered) - place(series, width, baseline) > 100; // for both labels between the two lines
            parts.push(svg('text', { class: 'label', x: room ? place(series, width, baseline) + 3 : Math.min(place(series, width, baseline) - 3, place(series, width, triggered) - 48),
                y: HEAD - 5, 'text-anchor': room ? 'start' : 'end' }, 'baseline'));
        }
        for (const other of incidents.filter((one) => inside(one.time))) {
            mark(other.time, 'other', `incident of rule ${other.rule}`, HEAD);
            if (incidents.length < 4)
                parts.push(svg('text', { class: 'label', x: place(series, width, other.time) - 3, y: HEAD - 5, 'text-anchor': 'end' }, other.rule));
        }
        if (inside(triggered)) {
            mark(triggered, 'trigger', `the ${incident.history.moment}`, HEAD);
            if (metric.fired && value !== null)
                parts.push(...drawTrigger(series, y, width));
            parts.push(svg('text', { class: 'label', x: place(series, width, triggered) - 4, y: HEAD - 5, 'text-anchor': 'end' }, incident.history.moment));
        }
        return parts;
    }

    /** The value that fired the rule, which no tick may have seen, joined to the last tick before it. */
    function drawTrigger(series, y, width) {
        const { triggered, value } = incident.history, last = gaps(series.high).pop(), [from, to] = series.span;
        const x = place(series, width, triggered), parts = [svg('circle', { class: 'trigger', cx: x, cy: y(value), r: 4.5 })];
        if (last !== undefined && from + (last + 1) / series.high.length * (to - from) < triggered)
            parts.unshift(svg('line', { class: 'values to-trigger', x1: place(series, width, from + (last + 0.5) / series.high.length * (to - from)),
                y1: y(series.high[last]), x2: x, y2: y(value) }));
        return parts;
    }

    /** The value under the pointer, or that the arrow keys choose. */
    function follow(figure, picture, series, metric, x, y, height) {
        const known = gaps(series.high);
        const cursor = svg('line', { class: 'cursor', y1: HEAD, y2: height - FOOT, visibility: 'hidden' });
        const reading = figure.querySelector('.reading');
        let chosen = known.length - 1;
        const show = (index) => {
            chosen = Math.max(0, Math.min(known.length - 1, index));
            const column = known[chosen], [from, to] = series.span, zero = incident.history.triggered || to;
            const low = series.low[column], high = series.high[column];
            const time = age(from + (column + 0.5) / series.low.length * (to - from) - zero);
            cursor.setAttribute('x1', x(column));
            cursor.setAttribute('x2', x(column));
            cursor.setAttribute('visibility', 'visible');
            reading.textContent = `${time}: ${words(low, metric.unit)}${high !== low ? ` to ${words(high, metric.unit)}` : ''}`;
        };
        picture.append(cursor);
        if (!known.length) return;
        picture.addEventListener('pointermove', (event) => {
            const column = (event.clientX - picture.getBoundingClientRect().left - x(0)) / (x(1) - x(0));
            show(known.reduce((best, at, i) => (Math.abs(at - column) < Math.abs(known[best] - column) ? i : best), 0));
        });
        picture.addEventListener('keydown', (event) => {
            const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
            if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
            event.preventDefault();
            event.stopPropagation();
            show(chosen + move);
        });
    }

    function describe(metric, series) {
        const values = gaps(series.high).map((i) => series.high[i]);
        const lines = series.lines.map((line) => `, the line of rule ${line.name}`).join('');
        return values.length ? `${metric.name} over time, from ${words(values[0], metric.unit)} to ${words(values[values.length - 1], metric.unit)}, ` +
            `at most ${words(Math.max(...values), metric.unit)}${lines}. The arrow keys read values; the table below has the numbers.` : `${metric.name}: no values`;
    }

    function plot(metric, range, figure) {
        const width = Math.max(260, figure.clientWidth), height = figure.classList.contains('large') ? 230 : 130;
        const series = seriesOf(metric, range, incident.history[range]), columns = series.low.length;
        const x = (i) => LEFT + (i + 0.5) / columns * (width - LEFT - RIGHT);
        const y = (value) => HEAD + (series.top - value) / (series.top - series.bottom) * (height - HEAD - FOOT);
        const band = path(series.high, x, y) + path([...series.low].reverse(), (i) => x(columns - 1 - i), y).replace(/^M/, 'L') + 'Z';
        const picture = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: 0, 'aria-label': describe(metric, series) },
            drawAxes(series, metric.unit, y, width, height), svg('path', { class: 'band', d: band }), svg('path', { class: 'values', d: path(series.high, x, y) }),
            drawLines(series, metric.unit, x, y, width), drawMarks(metric, series, y, width, height));
        figure.replaceChildren(make('figcaption', {}, make('b', {}, metric.name), ' ', make('span', { class: 'reading' })), picture);
        follow(figure, picture, series, metric, x, y, height);
    }

    let redraw = () => {};

    function plots() {
        const place = at('plots'), history = incident.history;
        if (!place || !history || !history.metrics.length) return;
        const figures = history.metrics.map((metric, i) => make('figure', { class: i === 0 ? 'plot large' : 'plot' }));
        const ranges = history.near ? { near: 'Last 30 min', all: 'All of it' } : { all: 'All of it' };
        const range = () => (ranges[hash.get('range')] ? hash.get('range') : Object.keys(ranges)[0]);
        const buttons = history.near ? Object.keys(ranges).map((name) => {
            const button = toggle(ranges[name], 'The time that the plots show', false, () => { hash.set('range', name); draw(); });
            button.dataset.range = name;
            return button;
        }) : [];
        function draw() {
            history.metrics.forEach((metric, i) => plot(metric, range(), figures[i]));
            buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.range === range())));
        }
        const shown = (metric, i) => i === 0 || metric.lines.length > 0 || metric.name === 'rss';
        const others = figures.filter((_, i) => !shown(history.metrics[i], i));
        place.append(make('div', { class: 'toolbar' }, ...buttons),
            make('div', { class: 'plots' }, ...figures.filter((_, i) => shown(history.metrics[i], i))));
        if (others.length) {
            const more = make('details', { class: 'others' }, make('summary', {}, `${others.length} more metrics, which no rule names`),
                make('div', { class: 'plots' }, ...others));
            more.addEventListener('toggle', draw); // a closed picture has no width
            place.append(more);
        }
        redraw = draw;
        let drawn = 0;
        new ResizeObserver(() => {
            if (place.clientWidth === drawn) return;
            drawn = place.clientWidth;
            draw();
        }).observe(place);
    }

    /* ---- memory ---- */

    function band() {
        const place = at('band'), memory = incident.memory;
        if (!place || !memory || !memory.parts.length) return;
        const sum = (key) => memory.parts.reduce((total, part) => total + (part[key] || 0), 0);
        const most = Math.max(sum('now'), sum('before')) || 1;
        const rows = (memory.age_s === null ? [] : [['before', `${age(-memory.age_s).slice(1)} before`]]).concat([['now', 'now']]);
        for (const [key, name] of rows) {
            let x = 0;
            const pieces = memory.parts.map((part, i) => {
                const share = 100 * (part[key] || 0) / most, piece = svg('rect', { class: `part-${i % 8}`, x: `${x}%`, y: 0, width: `${share}%`, height: 30 },
                    svg('title', {}, `${part.name}: ${words(part[key] || 0, 'bytes')}`));
                x += share;
                return piece;
            });
            const label = memory.parts.filter((part) => part[key]).map((part) => `${part.name} ${words(part[key], 'bytes')}`).join(', ');
            place.append(make('div', { class: 'row' }, make('span', { class: 'when' }, `${name}: `, make('b', {}, words(sum(key), 'bytes'))),
                svg('svg', { width: '100%', height: 30, role: 'img', 'aria-label': `Resident memory, ${name}: ${label}` }, pieces)));
        }
        document.querySelectorAll('#memory th.part').forEach((cell, i) => cell.prepend(make('span', { class: `chip part-${i % 8}` })));
    }

    /* ---- a deadlock ---- */

    function ring() {
        const place = at('ring'), threads = incident.deadlock || [];
        if (!place || !threads.length) return;
        const count = threads.length, width = Math.min(place.clientWidth || 640, 760), narrow = width < 520;
        const box = { width: narrow ? 150 : 190, height: 46 };
        const radius = { x: (width - box.width) / 2 - 8, y: count === 2 ? (narrow ? 95 : 0) : Math.max(120, count * 26) };
        const height = 2 * radius.y + box.height + (count === 2 && !narrow ? 110 : 40);
        const start = count === 2 && !narrow ? Math.PI : -Math.PI / 2;
        const center = threads.map((_, i) => {
            const angle = start + 2 * Math.PI * i / count;
            return { x: width / 2 + (narrow && count === 2 ? 0 : radius.x * Math.cos(angle)), y: height / 2 + radius.y * Math.sin(angle) };
        });
        const picture = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
            'aria-label': `Deadlock of ${count} threads; the list below says who waits for whom.` },
        svg('defs', {}, svg('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto-start-reverse' },
            svg('path', { class: 'head', d: 'M0 0L8 4L0 8Z' }))));
        threads.forEach((thread, i) => {
            const to = threads.findIndex((other) => other.tid === thread.held_by);
            if (to >= 0 && to !== i) picture.append(...arrow(center[i], center[to], box, thread));
        });
        threads.forEach((thread, i) => picture.append(...node(center[i], box, thread)));
        place.append(picture);
    }

    /** An arrow from the thread that waits to the one that holds the lock, bent to its left, and the lock's name. */
    function arrow(from, to, box, thread) {
        const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy) || 1, bend = 58;
        const middle = { x: (from.x + to.x) / 2 + dy / length * bend, y: (from.y + to.y) / 2 - dx / length * bend };
        const edge = (point, towards) => {
            const ex = towards.x - point.x, ey = towards.y - point.y;
            const scale = Math.min((box.width / 2 + 4) / Math.abs(ex || 1e-9), (box.height / 2 + 4) / Math.abs(ey || 1e-9));
            return `${(point.x + ex * scale).toFixed(1)} ${(point.y + ey * scale).toFixed(1)}`;
        };
        const aside = bend / 2 + (Math.abs(dx) > Math.abs(dy) ? 11 : 6); // beside the curve, whose middle is half as far out as its control point
        const out = { x: (from.x + to.x) / 2 + dy / length * aside, y: (from.y + to.y) / 2 - dx / length * aside };
        const name = thread.what === 'join' ? 'waits for its end' : `waits for ${cut(thread.lock, 28)}`;
        return [svg('path', { class: 'arrow', d: `M${edge(from, middle)}Q${middle.x.toFixed(1)} ${middle.y.toFixed(1)} ${edge(to, middle)}`, 'marker-end': 'url(#arrow)' }),
            svg('text', { class: 'label', x: out.x, y: out.y + 4, 'text-anchor': Math.abs(dx) > Math.abs(dy) ? 'middle' : dy > 0 ? 'start' : 'end' }, name)];
    }

    /** TEXT with its middle left out, if it is longer than MOST. */
    function cut(text, most) {
        return text.length > most ? `${text.slice(0, most / 2 - 1)}…${text.slice(1 - most / 2)}` : text;
    }

    function node(center, box, thread) {
        const room = Math.floor(box.width / 8);
        return [svg('rect', { class: 'thread', x: center.x - box.width / 2, y: center.y - box.height / 2, width: box.width, height: box.height, rx: 6 },
            svg('title', {}, `${thread.name}/${thread.tid} in ${thread.function}`)),
        svg('text', { class: 'function', x: center.x, y: center.y - 3, 'text-anchor': 'middle' }, cut(thread.function || '?', room)),
        svg('text', { class: 'label', x: center.x, y: center.y + 14, 'text-anchor': 'middle' }, cut(`${thread.name}/${thread.tid}`, room))];
    }

    /* ---- details ---- */

    /** Which are open stands in the hash; all are for the printer. */
    function details() {
        const named = [...document.querySelectorAll('details[id]')];
        const open = (hash.get('open') || '').split('.');
        for (const one of named) {
            if (open.includes(one.id)) one.open = true;
            one.addEventListener('toggle', () => hash.set('open', named.filter((other) => other.open).map((other) => other.id).join('.')));
        }
        let closed = [];
        window.addEventListener('beforeprint', () => {
            closed = [...document.querySelectorAll('details:not([open])')].filter((one) => !one.classList.contains('text'));
            closed.forEach((one) => { one.open = true; });
        });
        window.addEventListener('afterprint', () => closed.forEach((one) => { one.open = false; }));
    }

    at('main').prepend(gumshoe.pageButtons());
    details();
    plots();
    band();
    ring();
    hash.listen(() => redraw());
    if (at('graph') && data.profiles.length)
        gumshoeGraph.mount(at('graph'), data.profiles, {});
})();
