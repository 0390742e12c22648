/* sampled.c - what sampled mappings stand for: small mappings are recorded by chance, and each record stands for several.
 *
 *   area   │ ? │ ? │ A │ ? │ B │ ? │ ? │     the pages of A and B are known; the others' are those that nobody claims.
 *                   ×8      ×4               A seeks 7 times its pages more, B 3 times; together at most what is there
 *
 * What is not found in the record's own area is sought in the small anonymous areas: mappings with a gap between them are areas of
 * their own. Context: any (pure). */
#include "account/inside.h"

#define SMALL_AREA (1ull << 20)

static bool is_sampled(const struct gs_claim *claim)
{
    return claim->weight > 1 && claim->part == GS_ANONYMOUS && claim->pages;
}

static double sought_by(const struct gs_claim *claim)
{
    return (claim->weight - 1) * (double)claim->pages;
}

/* The share of what is SOUGHT that can be had of THERE pages. */
static double share_of(double sought, double there)
{
    return sought > there ? there / sought : 1;
}

/* Take PAGES that nobody claimed from AREA. */
static void take_pages(struct gs_area *area, double pages, uint64_t part[GS_PARTS])
{
    uint64_t taken =
                 (uint64_t)pages < area->unclaimed.anonymous ? (uint64_t)pages : area->unclaimed.anonymous,
             bytes = taken * GS_PAGE;
    area->unclaimed.anonymous -= taken;
    if (area->kind != GS_AREA_HEAP)
        return; // they count as anonymous already
    bytes = bytes < part[GS_HEAP_KEPT] ? bytes : part[GS_HEAP_KEPT];
    part[GS_HEAP_KEPT] -= bytes;
    part[GS_ANONYMOUS] += bytes;
}

static bool is_small(const struct gs_area *area)
{
    return area->kind == GS_AREA_ANONYMOUS && area->line.end - area->line.start <= SMALL_AREA;
}

/* Share LEFT pages, which were not found where the claims are, out of the small areas. Returns the share that is found. */
static double share_small_areas(struct gs_survey *survey, double left, uint64_t part[GS_PARTS])
{
    double there = 0;
    for (size_t i = 0; i < survey->areas; i++)
        there += is_small(&survey->area[i]) ? (double)survey->area[i].unclaimed.anonymous : 0;
    double found = left > 0 ? share_of(left, there) : 0;
    for (size_t i = 0; found > 0 && i < survey->areas; i++)
        if (is_small(&survey->area[i]))
            take_pages(&survey->area[i], (double)survey->area[i].unclaimed.anonymous * (left * found / there),
                       part);
    return found;
}

void gs_account_sampled_share(struct gs_survey *survey, uint64_t part[GS_PARTS])
{
    const struct gs_claims *mapped = &survey->claims[GS_CLAIM_MAPPED];
    double left = 0;
    for (size_t i = 0; i < mapped->count; i++) {
        struct gs_area *area = gs_account_survey_area(survey, mapped->claim[i].start);
        if (area && is_sampled(&mapped->claim[i]))
            area->sought += sought_by(&mapped->claim[i]);
    }
    for (size_t i = 0; i < mapped->count; i++) { // areas still have all their unclaimed pages
        struct gs_claim *claim = &mapped->claim[i];
        const struct gs_area *area = gs_account_survey_area(survey, claim->start);
        if (!area || !is_sampled(claim))
            continue;
        double sought = sought_by(claim),
               found = sought * share_of(area->sought, (double)area->unclaimed.anonymous);
        claim->more = (uint64_t)found;
        left += sought - found;
    }
    for (size_t i = 0; i < survey->areas; i++)
        if (survey->area[i].sought > 0)
            take_pages(&survey->area[i], survey->area[i].sought, part);
    double share = share_small_areas(survey, left, part);
    for (size_t i = 0; share > 0 && i < mapped->count; i++)
        if (is_sampled(&mapped->claim[i]))
            mapped->claim[i].more +=
                (uint64_t)((sought_by(&mapped->claim[i]) - (double)mapped->claim[i].more) * share);
}
