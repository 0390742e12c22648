/* page_escape.c - text from outside in a page or a picture. Every name, path and comment passes here before it is in HTML, SVG or
 * JSON. Context: any (pure). */
#include "base/memory.h"
#include "base/text.h"
#include "reader/page.h"
#include <string.h>

/* Characters that are not seen, or that change how others are seen; or that XML does not allow. */
static bool is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || (code >= 0xd800 && code < 0xe000) || code == 0xfeff ||
           (code & 0xfffe) == 0xfffe || (code >= 0xfff9 && code <= 0xfffb) ||
           (code >= 0xe0000 && code < 0xe1000);
}

void gs_reader_page_plain(struct gs_text *out, const char *words)
{
    uint32_t code;
    for (const char *at = words; *at;) {
        size_t length = gs_text_character(at, &code);
        if (length && !is_harmful(code))
            gs_text_add_bytes(out, at, length);
        else if (length && code >= 0xa0)
            gs_text_add(out, "\\u{%x}", (unsigned)code);
        else
            gs_text_add(out, "\\x%02x", (unsigned char)*at);
        at += length && (code >= 0xa0 || !is_harmful(code)) ? length : 1;
    }
}

void gs_reader_page_escape(struct gs_text *out, const char *words)
{
    static const char special[] = "&<>\"'";
    static const char *const entity[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    struct gs_text plain = {0};
    gs_reader_page_plain(&plain, words);
    for (const char *at = plain.bytes ? plain.bytes : ""; *at;) {
        size_t safe = strcspn(at, special);
        gs_text_add_bytes(out, at, safe);
        at += safe;
        if (*at)
            gs_text_add(out, "%s", entity[strchr(special, *at++) - special]);
    }
    out->failed |= plain.failed;
    gs_text_fini(&plain);
}

void gs_reader_page_pre(struct gs_text *out, const char *text, size_t length)
{
    char *shown = gs_alloc(GS_PAGE_PRE_MAX + 1);
    size_t cut = length < GS_PAGE_PRE_MAX ? length : GS_PAGE_PRE_MAX;
    if (!shown) {
        out->failed = true;
        return;
    }
    memcpy(shown, text, cut);
    shown[cut] = 0;
    gs_text_add(out, "<pre tabindex=\"0\">");
    for (char *line = shown, *end; *line; line = end) {
        end = strchrnul(line, '\n');
        bool more = *end == '\n';
        *end = 0;
        gs_reader_page_escape(out, line);
        gs_text_add(out, "\n");
        end += more;
    }
    gs_text_add(out, "</pre>\n");
    if (cut < length)
        gs_text_add(out, "<p class=\"problem\">%zu more bytes are not shown.</p>\n", length - cut);
    gs_free(shown);
}

void gs_reader_page_base64(struct gs_text *out, const void *bytes, size_t length)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group =
            (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
        char four[4] = {digit[group >> 18], digit[group >> 12 & 63], left > 1 ? digit[group >> 6 & 63] : '=',
                        left > 2 ? digit[group & 63] : '='};
        gs_text_add_bytes(out, four, sizeof four);
    }
}
