/* default.c - the built-in rules: the very bytes of rules/default.json, taken in by the assembler. */
#include "rules/rules.h"

__asm__(".pushsection .rodata\n"
        ".balign 8\n"
        ".hidden gs_default_rules_text\n"
        ".global gs_default_rules_text\n"
        "gs_default_rules_text:\n"
        ".incbin \"" GS_DEFAULT_RULES_FILE "\"\n"
        "0: .byte 0\n"
        ".balign 8\n"
        ".hidden gs_default_rules_length\n"
        ".global gs_default_rules_length\n"
        "gs_default_rules_length: .quad 0b - gs_default_rules_text\n"
        ".popsection\n");
