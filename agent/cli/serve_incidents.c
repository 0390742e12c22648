/* serve_incidents.c - the incidents in the directories: a list, the page of one, its summary, and its files.
 *
 * Folders are not trusted. Names come from the directory, never from the request: a request names a folder of the list's form and
 * a file that its incident.json lists; both are opened without following links. */
#include "base/memory.h"
#include "base/sort.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RULES_COUNTED = 256, JSON_MAX = 32 << 20 };
#define FILE_MAX (256 << 20)

/* ---- the list ----------------------------------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
    const struct gs_incident_row *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns > y->time_ns ? -1 : 1;
    int order = strcmp(y->key, x->key);
    return order ? order : (x->dir > y->dir) - (x->dir < y->dir);
}

static struct gs_incident_row row_of(const struct gs_store_walk *walk, size_t dir_number)
{
    struct gs_incident_row row = {.dir = dir_number, .time_ns = walk->parts.time_ns};
    gs_store_key_print(walk->user, walk->name, row.key);
    snprintf(row.rule, sizeof row.rule, "%s", walk->parts.rule);
    return row;
}

/* Walk the names of all incidents; FOUND gets each. */
static void walk_all(const struct gs_served *served,
                     void (*found)(void *argument, const struct gs_incident_row *row), void *argument)
{
    for (size_t i = 0; i < served->dir_count; i++) {
        struct gs_store_walk walk;
        int fd = gs_file_openat(AT_FDCWD, served->dir[i], O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
            continue;
        gs_store_walk_begin(&walk, fd);
        while (gs_store_walk_next(&walk)) {
            const struct gs_incident_row row = row_of(&walk, i);
            found(argument, &row);
        }
        gs_store_walk_end(&walk);
        close(fd);
    }
}

/* Keep ROW if it is among the newest. When the list is full its older half goes: then it is sorted. */
struct keeping {
    struct gs_incident_row *row; // 2 * GS_INCIDENTS_SHOWN
    size_t count, seen;
};

static void keep(void *argument, const struct gs_incident_row *row)
{
    struct keeping *keeping = argument;
    keeping->seen++;
    keeping->row[keeping->count++] = *row;
    if (keeping->count < 2 * GS_INCIDENTS_SHOWN)
        return;
    gs_sort(keeping->row, keeping->count, sizeof *row, newest_first);
    keeping->count = GS_INCIDENTS_SHOWN;
}

void gs_cli_incidents_find(const struct gs_served *served, struct gs_incident_rows *out)
{
    struct keeping keeping = {.row = gs_alloc(2 * GS_INCIDENTS_SHOWN * sizeof *keeping.row)};
    out->count = out->left_out = 0;
    if (!keeping.row)
        return;
    walk_all(served, keep, &keeping);
    gs_sort(keeping.row, keeping.count, sizeof *keeping.row, newest_first);
    out->count = keeping.count < GS_INCIDENTS_SHOWN ? keeping.count : GS_INCIDENTS_SHOWN;
    out->left_out = keeping.seen - out->count;
    memcpy(out->row, keeping.row, out->count * sizeof *out->row);
    gs_free(keeping.row);
}

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

struct rule_count {
    size_t dir, count;
    int64_t newest_ns;
    char rule[GS_RULE_NAME_MAX + 1];
};
struct counting {
    struct rule_count *rule;
    size_t count;
};

static void count_one(void *argument, const struct gs_incident_row *row)
{
    struct counting *counting = argument;
    size_t at = 0;
    while (at < counting->count &&
           (counting->rule[at].dir != row->dir || strcmp(counting->rule[at].rule, row->rule) != 0))
        at++;
    if (at == RULES_COUNTED)
        return;
    if (at == counting->count) {
        counting->rule[counting->count++] = (struct rule_count){.dir = row->dir};
        strcpy(counting->rule[at].rule, row->rule);
    }
    counting->rule[at].count++;
    if (row->time_ns > counting->rule[at].newest_ns)
        counting->rule[at].newest_ns = row->time_ns;
}

void gs_cli_incidents_count(const struct gs_served *served,
                            void (*counted)(void *argument, size_t dir, const char *rule, size_t count,
                                            int64_t newest_ns),
                            void *argument)
{
    struct counting counting = {.rule = gs_alloc(RULES_COUNTED * sizeof *counting.rule)};
    if (!counting.rule)
        return;
    walk_all(served, count_one, &counting);
    for (size_t i = 0; i < counting.count; i++)
        counted(argument, counting.rule[i].dir, counting.rule[i].rule, counting.rule[i].count,
                counting.rule[i].newest_ns);
    gs_free(counting.rule);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static bool path_of(const struct gs_served *served, size_t dir, const char *key, char out[PATH_MAX])
{
    char folder[GS_STORE_KEY_PATH];
    gs_store_key_path(key, folder);
    return snprintf(out, PATH_MAX, "%s/%s", served->dir[dir], folder) < PATH_MAX;
}

json_t *gs_cli_incident_load(const struct gs_served *served, const struct gs_incident_row *row)
{
    char path[PATH_MAX], why[160];
    return path_of(served, row->dir, row->key, path) ? gs_store_load_incident(path, why, sizeof why) : NULL;
}

void gs_cli_serve_incidents_json(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    struct gs_incident_rows *rows = gs_alloc(sizeof *rows);
    bool first = true;
    answer->type = "application/json";
    gs_text_add(&answer->body, "[");
    if (rows)
        gs_cli_incidents_find(request->served, rows);
    for (size_t i = 0; rows && i < rows->count && answer->body.length < JSON_MAX; i++) {
        char path[PATH_MAX];
        json_t *json = gs_cli_incident_load(request->served, &rows->row[i]);
        if (json && path_of(request->served, rows->row[i].dir, rows->row[i].key, path) &&
            json_object_set_new(json, "dir", gs_json_text(path)) == 0) {
            gs_text_add(&answer->body, first ? "\n" : ",\n");
            gs_json_print(json, JSON_COMPACT, &answer->body);
            first = false;
        }
        json_decref(json);
    }
    gs_text_add(&answer->body, "]\n");
    if (!rows)
        answer->body.failed = true;
    gs_free(rows);
}

/* ---- one incident --------------------------------------------------------------------------------------------------------- */

/* Is FILE one that the incident's index lists, or the index itself? */
static bool is_listed(const json_t *json, const char *file)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(json, "files"), i,
                       entry) if (strcmp(gs_cli_json_text(entry, "name", ""), file) ==
                                  0) return strchr(file, '/') == NULL &&
        *file != '.';
    return strcmp(file, "incident.json") == 0 || strcmp(file, "summary.txt") == 0;
}

static void serve_file(const char *path, const char *file, struct gs_web_answer *answer)
{
    char *bytes = NULL;
    size_t length = 0, name = strlen(file);
    if (gs_store_read_incident_file(path, file, FILE_MAX, &bytes, &length)) {
        gs_cli_web_refuse(answer, 404, "the file cannot be read");
        return;
    }
    gs_free(answer->body.bytes);
    answer->body = (struct gs_text){.bytes = bytes, .length = length, .capacity = length + 1};
    if (name > 3 && strcmp(file + name - 3, ".gz") == 0) {
        answer->type = "application/octet-stream";
        snprintf(answer->text, sizeof answer->text, "%.60s", file);
        answer->file_name = answer->text;
    } else if (name > 5 && strcmp(file + name - 5, ".json") == 0)
        answer->type = "application/json";
}

static void add_fact(struct gs_text *out, const char *what, const char *value)
{
    if (!*value)
        return;
    gs_text_add(out, "<dt>%s<dd>", what);
    gs_reader_page_escape(out, value);
    gs_text_add(out, "\n");
}

static void add_facts(struct gs_text *out, const json_t *json)
{
    char pid[24];
    const json_t *culprit = json_object_get(json, "culprit");
    snprintf(pid, sizeof pid, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(json, "pid")));
    gs_text_add(out, "<dl>\n");
    add_fact(out, "Triggered", gs_cli_json_text(json, "triggered", ""));
    add_fact(out, "Rule", gs_cli_json_text(json, "rule", ""));
    add_fact(out, "Why", gs_cli_json_text(json, "reason", ""));
    add_fact(out, "Culprit", gs_cli_json_text(culprit, "function", ""));
    add_fact(out, "File", gs_cli_json_text(culprit, "file", ""));
    add_fact(out, "Process", pid);
    add_fact(out, "Program", gs_cli_json_text(json, "exe", ""));
    add_fact(out, "Host", gs_cli_json_text(json, "host", ""));
    if (!json_is_true(json_object_get(json, "complete")))
        add_fact(out, "Complete", "no: something is missing, see the errors in incident.json");
    gs_text_add(out, "</dl>\n");
}

static void add_files(struct gs_text *out, const json_t *json)
{
    size_t i;
    const json_t *entry;
    gs_text_add(out, "<h2>Files</h2>\n<table><thead><tr><th>File<th class=\"n\">Size</thead><tbody>\n"
                     "<tr><td><a href=\"incident.json\">incident.json</a><td>\n");
    json_array_foreach(json_object_get(json, "files"), i, entry)
    {
        char size[GS_UNIT_TEXT];
        const char *name = gs_cli_json_text(entry, "name", "");
        if (!is_listed(json, name))
            continue;
        gs_text_add(out, "<tr><td><a href=\"");
        gs_reader_page_escape(out, name);
        gs_text_add(out, "\">");
        gs_reader_page_escape(out, name);
        gs_text_add(out, "</a><td class=\"n\">%s\n",
                    gs_units_print_size((double)json_integer_value(json_object_get(entry, "size")), size));
    }
    gs_text_add(out, "</tbody></table>\n");
}

/* Answer with the incident's page, made from its folder (reader/page_incident.c). False: it cannot be made. */
static bool serve_page(const char *path, struct gs_web_answer *answer)
{
    char why[200];
    int folder = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    const struct gs_page_incident from = {.folder = folder};
    bool made = folder >= 0 && gs_reader_page_incident(&from, &answer->body, why, sizeof why) == 0;
    if (folder >= 0)
        close(folder);
    if (made) {
        answer->type = "text/html; charset=utf-8";
        answer->own_policy = true;
    } else
        gs_text_fini(&answer->body);
    return made;
}

/* The summary, and links to the files: a page without script. */
static void serve_folder(const char *path, const json_t *json, struct gs_web_answer *answer)
{
    char title[120], *text = NULL;
    size_t length = 0;
    snprintf(title, sizeof title, "%.80s", gs_cli_json_text(json, "rule", "incident"));
    gs_cli_html_begin(answer, title, "../../../");
    gs_text_add(&answer->body, "<h1>");
    gs_reader_page_escape(&answer->body, title);
    gs_text_add(&answer->body, "</h1>\n");
    add_facts(&answer->body, json);
    if (gs_store_read_incident_file(path, "summary.txt", 1 << 20, &text, &length) == 0) {
        gs_text_add(&answer->body, "<h2>Summary</h2>\n");
        gs_reader_page_pre(&answer->body, text, length);
        gs_free(text);
    }
    add_files(&answer->body, json);
    gs_cli_html_end(answer);
}

/* Split "DIR/NAME/FILE"; NAME is an incident's key. False: it is not of this form. */
static bool read_place(const char *rest, size_t dir_count, size_t *dir, char name[GS_FOLDER_NAME_MAX],
                       const char **file)
{
    struct gs_store_user user;
    struct gs_folder_name parts;
    size_t digits = strspn(rest, "0123456789");
    if (digits == 0 || digits > 6 || rest[digits] != '/')
        return false;
    *dir = (size_t)atol(rest);
    rest += digits + 1;
    size_t length = strcspn(rest, "/");
    if (*dir >= dir_count || length >= GS_FOLDER_NAME_MAX)
        return false;
    memcpy(name, rest, length);
    name[length] = 0;
    *file = rest[length] ? rest + length + 1 : NULL;
    const char *folder = gs_store_key_split(name, &user);
    return gs_store_folder_name_read(folder ? folder : name, &parts);
}

void gs_cli_serve_incident(const struct gs_web_request *request, const char *rest,
                           struct gs_web_answer *answer)
{
    char name[GS_FOLDER_NAME_MAX], path[PATH_MAX], why[160];
    size_t dir;
    const char *file;
    json_t *json = NULL;
    if (read_place(rest, request->served->dir_count, &dir, name, &file) &&
        path_of(request->served, dir, name, path))
        json = gs_store_load_incident(path, why, sizeof why);
    if (!json)
        gs_cli_web_refuse(answer, 404, "there is no such incident, or it was removed: / lists them");
    else if (!file) {
        answer->status = 301;
        snprintf(answer->text, sizeof answer->text, "%s/", name);
        answer->location = answer->text;
    } else if (*file == 0 || strcmp(file, "files") == 0) {
        if (*file || !serve_page(path, answer))
            serve_folder(path, json, answer);
    } else if (is_listed(json, file))
        serve_file(path, file, answer);
    else
        gs_cli_web_refuse(answer, 404, "the incident has no such file");
    json_decref(json);
}
