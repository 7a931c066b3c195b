/* SPDX-License-Identifier: MIT */
#include "conf/parse.h"

#include "conf/lexer.h"

#include <libconfig.h>
#include <string.h>

/* A tree in the making: libconfig's settings and our scalars come in the same order. */
struct parsing {
    struct memory *memory;
    const struct source *source;
    struct scalars scalars;
    size_t next;   /* of the scalars */
    bool mismatch; /* libconfig and lexer.c have read the text differently */
};

static struct place place_in(const struct parsing *parsing, unsigned line)
{
    return (struct place){parsing->source, parsing->source->order == 0 ? 0 : line};
}

static bool is_number(const config_setting_t *setting)
{
    return config_setting_is_number(setting) != 0;
}

static const struct scalar *scalar_next(struct parsing *parsing, const config_setting_t *setting)
{
    static const struct scalar none = {.line = 1, .text = NULL};
    if (parsing->next == parsing->scalars.count) {
        parsing->mismatch = true;
        return &none;
    }
    const struct scalar *scalar = &parsing->scalars.items[parsing->next++];
    if (is_number(setting) != (scalar->text != NULL))
        parsing->mismatch = true;
    return scalar;
}

static enum node_type node_type(const config_setting_t *setting)
{
    static const enum node_type types[] = {
        [CONFIG_TYPE_GROUP] = NODE_GROUP,   [CONFIG_TYPE_INT] = NODE_INTEGER,
        [CONFIG_TYPE_INT64] = NODE_INTEGER, [CONFIG_TYPE_FLOAT] = NODE_FLOAT,
        [CONFIG_TYPE_STRING] = NODE_STRING, [CONFIG_TYPE_BOOL] = NODE_BOOL,
        [CONFIG_TYPE_ARRAY] = NODE_ARRAY,   [CONFIG_TYPE_LIST] = NODE_LIST,
    };
    return types[config_setting_type(setting)];
}

static struct node *scalar_node(struct parsing *parsing, const config_setting_t *setting)
{
    const struct scalar *scalar = scalar_next(parsing, setting);
    const char *name = config_setting_name(setting);
    unsigned line = name != NULL ? config_setting_source_line(setting) : scalar->line;
    struct node *node =
        node_new(parsing->memory, node_type(setting), name, place_in(parsing, line));
    node->text = scalar->text;
    node->number = scalar->number;
    node->fits = scalar->fits;
    if (node->type == NODE_BOOL)
        node->on = config_setting_get_bool(setting) != 0;
    if (node->type != NODE_STRING)
        return node;
    const char *text = config_setting_get_string(setting);
    node->text = memory_copy(parsing->memory, text, strlen(text));
    return node;
}

static struct node *convert(struct parsing *parsing, const config_setting_t *setting)
{
    if (!config_setting_is_aggregate(setting))
        return scalar_node(parsing, setting);
    struct node *node = node_new(parsing->memory, node_type(setting), config_setting_name(setting),
                                 place_in(parsing, config_setting_source_line(setting)));
    unsigned count = (unsigned)config_setting_length(setting);
    for (unsigned i = 0; i < count; i++)
        node_append(node, convert(parsing, config_setting_get_elem(setting, i)));
    return node;
}

static struct node *convert_root(struct parsing *parsing, const config_t *config, unsigned *line,
                                 struct error *error)
{
    struct node *root = convert(parsing, config_root_setting(config));
    root->place = place_in(parsing, 1);
    if (!parsing->mismatch && parsing->next == parsing->scalars.count)
        return root;
    /* Numbers would go to the wrong settings: better to say so than to guess. */
    *line = 1;
    error_set(error, 0, "this text cannot be read without doubt about its numbers");
    return NULL;
}

/* What libconfig says, and in which words a user understands it. */
static void explain(const config_t *config, unsigned *line, struct error *error)
{
    static const char *const words[][2] = {
        {"duplicate setting name", "a setting of this name stands in the same group already"},
        {"mismatched element type in array",
         "the elements of a list in [ ] must all be of one type: use ( )"},
    };
    const char *text = config_error_text(config);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i][0]) == 0)
            text = words[i][1];
    }
    *line = (unsigned)config_error_line(config);
    error_set(error, 0, "%s", text);
}

struct node *parse_text(struct reading *reading, const struct source *source, const char *text,
                        unsigned *line, struct error *error)
{
    struct parsing parsing = {.memory = reading->memory, .source = source};
    parsing.scalars.most = LEXER_VALUES_MAX - reading->values;
    if (lexer_scan(reading->memory, text, &parsing.scalars, line, error) != 0)
        return NULL;
    reading->values += parsing.scalars.values;
    config_t config;
    config_init(&config);
    struct node *root = NULL;
    if (config_read_string(&config, text) == CONFIG_TRUE)
        root = convert_root(&parsing, &config, line, error);
    else
        explain(&config, line, error);
    config_destroy(&config);
    return root;
}
