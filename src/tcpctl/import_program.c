/* SPDX-License-Identifier: MIT */
#include "tcpctl/import_program.h"

#include "conf/variable.h"

#include <string.h>

/* Those that inetd and xinetd have too. */
static const char *const builtins[] = {"echo", "discard", "chargen", "daytime", "time"};

#define WRAPPED_IN "/usr/sbin/" /* where the wrapper looks for a program without a path */
#define BUILTINS   (sizeof builtins / sizeof *builtins)

const char *import_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool import_builtin(struct import *import, struct import_entry *entry, const char *name)
{
    for (size_t i = 0; i < BUILTINS; i++) {
        if (strcmp(builtins[i], name) != 0)
            continue;
        import_set_text(import, entry, "type", name);
        entry->is_service = true;
        return true;
    }
    import_note(import, entry, "tcpd has no built-in service \"%s\"", name);
    return false;
}

/* The wrapper executes it, with its name as it is for argv[0]. */
static const char *unwrap(struct import *import, struct import_entry *entry, const char *program)
{
    import_note(import, entry,
                "TCP Wrappers are not asked: what hosts.allow and hosts.deny say about \"%s\" "
                "belongs into access",
                import_base(program));
    return *program == '/' ? program : memory_print(import->memory, WRAPPED_IN "%s", program);
}

void import_program(struct import *import, struct import_entry *entry, const char *path,
                    const char *argv0)
{
    if (argv0 && *argv0 && strcmp(import_base(path), "tcpd") == 0)
        path = unwrap(import, entry, argv0);
    import_set_text(import, entry, "type", "exec");
    import_set_more(import, entry, "command", path);
    if (argv0 && !*argv0)
        import_note(import, entry, "an empty name of a program cannot be said in argv0");
    else if (argv0 && strcmp(argv0, import_base(path)) != 0)
        import_set_text(import, entry, "argv0", argv0);
    entry->path = memory_copy(import->memory, path, strlen(path));
    entry->is_service = true;
}

void import_arguments(struct import *import, struct import_entry *entry,
                      const struct import_list *words, size_t first)
{
    for (size_t i = first; i < words->count; i++)
        import_set_more(import, entry, "command", words->items[i]);
}

size_t import_variable_name(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length = strspn(text, letters);
    return text[length] == '=' && !strchr("0123456789", *text) ? length : 0;
}

void import_variable(struct import *import, struct import_entry *entry, struct import_place place,
                     const char *text)
{
    int length = (int)import_variable_name(text);
    if (variable_is_own(text, (size_t)length))
        import_note_at(import, entry, place, "the variable %.*s is tcpd's own, and cannot be set",
                       length, text);
    else if (*text == '_')
        import_note_at(import, entry, place,
                       "the variable %.*s cannot be set: no name of a setting begins with _",
                       length, text);
    else
        import_set_text(import, entry,
                        memory_print(import->memory, "environment.%.*s", length, text),
                        text + length + 1);
}

void import_patience(struct import *import, struct import_entry *entry)
{
    import_set(import, entry, "timeouts.idle", "0");
}

void import_rate(struct import *import, struct import_entry *entry, unsigned long number, char unit)
{
    import_set_text(import, entry, "limits.rate",
                    memory_print(import->memory, "%lu/%c", number, unit));
    import_set(import, entry, "limits.burst", memory_print(import->memory, "%lu", number));
}
