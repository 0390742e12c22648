/* default.c - the built-in rules: the bytes of rules/default.json, as they are in the repository. */
#include "rules/rules.h"

__asm__(".pushsection .rodata, \"a\"\n"
        ".global gs_default_rules_text, gs_default_rules_length\n"
        ".hidden gs_default_rules_text, gs_default_rules_length\n"
        ".type gs_default_rules_text, %object\n"
        ".type gs_default_rules_length, %object\n"
        "gs_default_rules_text:\n"
        ".incbin \"" GS_DEFAULT_RULES_FILE "\"\n"
        "1: .byte 0\n"
        ".size gs_default_rules_text, . - gs_default_rules_text\n"
        ".balign 8\n"
        "gs_default_rules_length: .quad 1b - gs_default_rules_text\n"
        ".size gs_default_rules_length, 8\n"
        ".popsection\n");
