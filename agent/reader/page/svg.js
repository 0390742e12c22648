'use strict';
/* svg.js - makes the picture of flame_svg.c interactive: click zooms, a second click or Esc goes back, "/" searches.
 * Texts are set by textContent alone. The picture is readable without it. */
(function () {
    const LEFT = 10, WIDTH = 1180, LETTER = 6.65;
    const detail = document.getElementById('detail');
    const note = detail.textContent;
    const frames = Array.from(document.querySelectorAll('#frames > .f'), read);
    const zooms = [];

    function read(group) {
        const [rect, title, label] = ['rect', 'title', 'text'].map((tag) => group.querySelector(tag));
        const words = title ? title.textContent.split('\n') : ['all'];
        return {
            group, rect, label, name: words[0], words: title ? words.join(' \u2014 ') : note,
            depth: Number(group.dataset.d), compact: group.dataset.n || 'all', own: Number(group.dataset.o || 0),
            sign: label ? (/^[\u25b2\u25bc+\u00d7=] /.exec(label.textContent) || [''])[0] : '',
            x: Number(rect.getAttribute('x')), width: Number(rect.getAttribute('width')),
        };
    }

    function set(element, attributes) {
        for (const [name, value] of Object.entries(attributes))
            element.setAttribute(name, value);
        return element;
    }

    function addText(parent, attributes) {
        return parent.appendChild(set(document.createElementNS('http://www.w3.org/2000/svg', 'text'), attributes));
    }

    function place(frame, x, width) {
        const room = Math.floor((width - 6) / LETTER) - frame.sign.length;
        set(frame.rect, { x, width });
        if (!frame.label && room >= 3)
            frame.label = addText(frame.group, { y: Number(frame.rect.getAttribute('y')) + 13 });
        if (frame.label) {
            set(frame.label, { x: x + 3 });
            frame.label.textContent = room >= 3 ? frame.sign + fitName(frame, room) : '';
        }
    }

    /** Show FRAME at full width: its callers above it, what it calls below. */
    function zoom(frame) {
        const scale = WIDTH / frame.width, end = frame.x + frame.width;
        for (const other of frames) {
            const inside = other.depth >= frame.depth && other.x >= frame.x - 1e-3 && other.x + other.width <= end + 1e-3;
            const above = other.depth < frame.depth && other.x <= frame.x + 1e-3 && other.x + other.width >= end - 1e-3;
            other.group.style.display = inside || above ? '' : 'none';
            if (inside)
                place(other, LEFT + (other.x - frame.x) * scale, other.width * scale);
            else if (above)
                place(other, LEFT, WIDTH);
        }
        say(frame);
    }

    function back() {
        zooms.pop();
        zoom(zooms[zooms.length - 1] || frames[0]);
    }

    function choose(frame) {
        const at = zooms[zooms.length - 1] || frames[0];
        if (frame === at) return back();
        zooms.push(frame);
        zoom(frame);
    }

    function say(frame) {
        detail.textContent = frame ? frame.words : note;
    }

    /* ---- search ---------------------------------------------------------------------------------------------------- */

    /** The share of the picture's width that is below frames of the set MATCHED. */
    function share(matched) {
        const spans = Array.from(matched, (frame) => [frame.x, frame.x + frame.width]).sort((a, b) => a[0] - b[0]);
        let end = 0, sum = 0;
        for (const [from, to] of spans) {
            sum += Math.max(to - Math.max(from, end), 0);
            end = Math.max(end, to);
        }
        return (100 * sum / WIDTH).toFixed(1) + '%';
    }

    function search(text) {
        let expression = null;
        try {
            expression = text ? new RegExp(text, 'i') : null;
        } catch (error) {
            detail.textContent = 'This is not a regular expression: ' + text;
            return;
        }
        const matched = frames.filter((frame) => expression && frame.depth && expression.test(frame.name));
        frames.forEach((frame) => frame.group.classList.remove('match'));
        matched.forEach((frame) => frame.group.classList.add('match'));
        found.textContent = text ? text + ': ' + share(matched) + ' matched' : '';
        reset.textContent = text ? 'Clear' : '';
    }

    function ask() {
        const text = prompt('Search functions (regular expression):', '');
        if (text !== null)
            search(text);
    }

    /** A text at X that is clicked. */
    function addButton(x, text, run) {
        const button = addText(document.documentElement, { class: 'soft button', x, y: 24, 'text-anchor': 'end' });
        button.textContent = text;
        button.addEventListener('click', run);
        return button;
    }
    addButton(1190, 'Search (/)', ask);
    const reset = addButton(1110, '', () => search(''));
    const found = addButton(1060, '', ask);

    /* ---- pointer and keys ------------------------------------------------------------------------------------------ */

    for (const frame of frames) {
        frame.group.setAttribute('tabindex', '0');
        frame.group.addEventListener('click', () => choose(frame));
        frame.group.addEventListener('mouseenter', () => say(frame));
        frame.group.addEventListener('focus', () => say(frame));
        frame.group.addEventListener('keydown', (event) => event.key === 'Enter' && choose(frame));
    }
    document.addEventListener('keydown', (event) => {
        if (event.key === 'Escape')
            back();
        else if (event.key === '/' && !event.ctrlKey) {
            event.preventDefault();
            ask();
        }
    });
})();
