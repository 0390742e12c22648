/* serve_html.c - the frame and the style of the pages of `gumshoe serve`: no script, one style sheet. */
#include "cli/serve.h"
#include "reader/reader.h"

// clang-format off
const char gs_cli_html_style[] =
    ":root{color-scheme:light dark;--back:#fcfcfb;--card:#fff;--text:#1d2125;--soft:#626a73;--line:#e2e4e7;--link:#0b5cad;--bad:#b3261e;--good:#1d7a3e;--bar:#f0c36d}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#14171a;--card:#1b1f23;--text:#e4e7ea;--soft:#99a2ab;--line:#30363c;--link:#79b8ff;--bad:#ff8a80;--good:#7ad18f;--bar:#8a6d2f}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\n"
    "header{display:flex;gap:1.2em;align-items:baseline;flex-wrap:wrap;padding:.9em 1.5em;border-bottom:1px solid var(--line);background:var(--card)}\n"
    ".brand{color:var(--text);font-weight:700}\n"
    "header nav{display:flex;gap:1em}\n"
    "main{max-width:76em;margin:0 auto;padding:.5em 1.5em 3em}\n"
    "h1{font-size:1.5em;margin:1em 0 .4em}\nh2{font-size:1.15em;margin:2em 0 .5em}\n"
    "a{color:var(--link);text-decoration:none}\na:hover{text-decoration:underline}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:6px}\n"
    "th,td{padding:.45em .8em;text-align:left;vertical-align:top;border-top:1px solid var(--line)}\n"
    "thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.87em;white-space:nowrap}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    ".t{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    ".soft{color:var(--soft)}\n.bad{color:var(--bad)}\n.good{color:var(--good)}\n"
    "code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"
    "td code{overflow-wrap:break-word}\n.w{min-width:12em}\n.soft{white-space:nowrap}\n"
    "pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:1em;overflow-x:auto}\n"
    "details>summary{cursor:pointer;color:var(--soft)}\ndetails ul{margin:.3em 0 0;padding-left:1.2em}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em}\ndt{color:var(--soft)}\ndd{margin:0;overflow-wrap:anywhere}\n"
    ".empty{border:1px dashed var(--line);border-radius:6px;padding:1.2em;color:var(--soft)}\n"
    "@media(max-width:40em){main,header{padding-left:.8em;padding-right:.8em}th,td{padding:.4em .5em}}\n"
    "@media print{header nav{display:none}body{background:#fff}}\n";
// clang-format on

void gs_cli_html_begin(struct gs_web_answer *answer, const char *title, const char *root)
{
    const char *home = *root ? root : "./";
    answer->type = "text/html; charset=utf-8";
    gs_text_add(&answer->body,
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    gs_reader_page_escape(&answer->body, title);
    gs_text_add(
        &answer->body,
        " – gumshoe</title>\n<link rel=\"stylesheet\" href=\"%sstyle.css\">\n</head>\n<body>\n"
        "<header><a class=\"brand\" href=\"%s\">gumshoe</a><nav><a href=\"%s#incidents\">Incidents</a>"
        "<a href=\"%s#processes\">Processes</a><a href=\"%smetrics\">Metrics</a>"
        "<a href=\"%sincidents.json\">JSON</a></nav></header>\n<main>\n",
        root, home, home, home, root, root);
}

void gs_cli_html_end(struct gs_web_answer *answer)
{
    gs_text_add(&answer->body, "</main>\n</body>\n</html>\n");
}
