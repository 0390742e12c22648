/* page.c - the frame of a page: one HTML file that loads nothing.
 *
 *   head: policy (only our scripts and styles, by their hashes), title, style
 *   body: <main> what the caller writes, readable without script </main>
 *         <script type="application/json"> what the scripts show </script>, the scripts
 *
 * Context: CLI. */
#include "reader/page.h"
#include "base/json.h"
#include "base/text.h"
#include <string.h>

static const char *const styles[][4] = {
    [GS_PAGE_FLAME] = {"base.css", "graph.css"}, [GS_PAGE_REPORT] = {"base.css", "graph.css", "report.css"}};
static const char *const scripts[][7] = {
    [GS_PAGE_FLAME] = {"tools.js", "tree.js", "fit.js", "graph.js", "graph_draw.js", "flame.js"},
    [GS_PAGE_REPORT] = {"tools.js", "tree.js", "fit.js", "graph.js", "graph_draw.js", "report.js"}};

/* ---- the policy ---------------------------------------------------------------------------------------------------- */

static unsigned nibble(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* Add "'sha256-…'" for each of the files NAMES. */
static void add_hashes(struct gs_text *out, const char *const *names)
{
    for (; *names; names++) {
        const struct gs_page_file *file = gs_reader_page_file(*names);
        unsigned char hash[32];
        for (size_t i = 0; file && i < sizeof hash; i++)
            hash[i] = (unsigned char)(nibble(file->sha256[2 * i]) << 4 | nibble(file->sha256[2 * i + 1]));
        if (!file)
            continue;
        gs_text_add(out, " 'sha256-");
        gs_reader_page_base64(out, hash, sizeof hash);
        gs_text_add(out, "'");
    }
}

/* Add the files NAMES, each as an ELEMENT of its own. */
static void add_files(struct gs_text *out, const char *element, const char *const *names)
{
    for (; *names; names++) {
        const struct gs_page_file *file = gs_reader_page_file(*names);
        if (!file)
            continue;
        gs_text_add(out, "<%s>", element);
        gs_text_add_bytes(out, file->bytes, (size_t)(file->end - file->bytes));
        gs_text_add(out, "</%s>\n", element);
    }
}

/* ---- the document -------------------------------------------------------------------------------------------------- */

void gs_reader_page_begin(struct gs_text *out, enum gs_page_kind kind, const char *title)
{
    gs_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src");
    add_hashes(out, scripts[kind]);
    gs_text_add(out, "; style-src");
    add_hashes(out, styles[kind]);
    gs_text_add(out, "; base-uri 'none'; form-action 'none'\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    gs_reader_page_escape(out, title);
    gs_text_add(out, "</title>\n");
    add_files(out, "style", styles[kind]);
    gs_text_add(out, "</head>\n<body>\n<main id=\"main\">\n");
}

/* Add JSON such that no HTML parser ends the element early: "<", ">" and "&" stand in strings alone, and are written \u003c. */
static void add_json(struct gs_text *out, const json_t *json)
{
    struct gs_text text = {0};
    gs_json_print(json, JSON_COMPACT | JSON_ENSURE_ASCII, &text);
    for (const char *at = text.bytes ? text.bytes : ""; *at;) {
        size_t safe = strcspn(at, "<>&");
        gs_text_add_bytes(out, at, safe);
        at += safe;
        if (*at)
            gs_text_add(out, "\\u%04x", *at++);
    }
    out->failed |= text.failed;
    gs_text_fini(&text);
}

void gs_reader_page_end(struct gs_text *out, enum gs_page_kind kind, const json_t *json)
{
    gs_text_add(out, "</main>\n<script type=\"application/json\" id=\"gumshoe-data\">");
    add_json(out, json);
    gs_text_add(out, "</script>\n");
    add_files(out, "script", scripts[kind]);
    gs_text_add(out, "</body>\n</html>\n");
}
