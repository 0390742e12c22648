'use strict';
/* fit.js - what a frame is called where its whole name has no room: in pages and in pictures. */

/** The name of FRAME in at most ROOM characters: arguments go first, then namespaces, and last the end of its own name. */
function fitName({ name, compact, own }, room) {
    if (name.length <= room) return name;
    if (compact.length <= room) return compact;
    for (let at = compact.indexOf('::'); at >= 0 && at + 2 < own; at = compact.indexOf('::', at + 2))
        if (compact.length - at - 1 <= room) return '\u2026' + compact.slice(at + 2);
    const last = compact.slice(own), bare = last.replace(/\(\u2026\).*/, '');
    if (last.length + 1 <= room) return '\u2026' + last;
    return bare.length <= room ? bare : room < 3 ? '' : bare.slice(0, room - 1) + '\u2026';
}
