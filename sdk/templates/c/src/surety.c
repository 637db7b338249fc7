#include "surety.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

// Reading JSON. The host has parsed every text that it hands over, so these find
// their way in valid JSON, and only stay inside of the text.

static size_t skip_space(json_t json, size_t i) {
    while (i < json.length && strchr(" \t\r\n", json.at[i]) != NULL) {
        i++;
    }
    return i;
}

// From an opening quote to behind the closing one.
static size_t skip_text(json_t json, size_t i) {
    for (i++; i < json.length && json.at[i] != '"'; i++) {
        if (json.at[i] == '\\') {
            i++;
        }
    }
    return i < json.length ? i + 1 : json.length;
}

static size_t skip_value(json_t json, size_t i) {
    size_t depth = 0;
    do {
        char c = i < json.length ? json.at[i] : '\0';
        if (c == '"') {
            i = skip_text(json, i);
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (c == '}' || c == ']') {
            depth--;
            i++;
        } else if (depth > 0) {
            i++;
        } else {
            while (i < json.length && strchr(" \t\r\n,}]", json.at[i]) == NULL) {
                i++;
            }
        }
    } while (depth > 0 && i < json.length);
    return i;
}

json_t json_of(action_string_t text) {
    json_t json = {(const char *)text.ptr, text.len};
    size_t start = skip_space(json, 0);
    size_t end = skip_value(json, start);
    return (json_t){json.at + start, end - start};
}

static unsigned hex4(const char *at) {
    char digits[5] = {at[0], at[1], at[2], at[3], '\0'};
    return (unsigned)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

// The character of the escape at `at`, which is behind the backslash; moves
// behind it.
static unsigned escaped(const char **at, const char *end) {
    static const char names[] = "bfnrt", characters[] = "\b\f\n\r\t";
    char name = *(*at)++;
    if (name != 'u') {
        const char *found = strchr(names, name);
        return (unsigned char)(found != NULL ? characters[found - names] : name);
    }
    if (end - *at < 4) {
        abort();
    }
    unsigned code = hex4(*at);
    *at += 4;
    // A character beyond 16 bits is written as a pair.
    if (code >= 0xd800 && code < 0xdc00 && end - *at >= 6) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return code;
}

// The characters of a JSON text; NULL when one of them is zero.
static const char *unquoted(json_t text) {
    const char *at = text.at + 1, *end = text.at + text.length - 1;
    // No escape is shorter than its character.
    char *start = allocate(text.length), *to = start;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        unsigned code = escaped(&at, end);
        if (code == 0) {
            return NULL;
        }
        to = put_utf8(to, code);
    }
    *to = '\0';
    return start;
}

bool json_member(json_t object, const char *name, json_t *value) {
    if (object.length == 0 || object.at[0] != '{') {
        return false;
    }
    size_t i = skip_space(object, 1);
    while (i < object.length && object.at[i] == '"') {
        size_t end = skip_text(object, i);
        const char *key = unquoted((json_t){object.at + i, end - i});
        size_t start = skip_space(object, skip_space(object, end) + 1);
        end = skip_value(object, start);
        if (key != NULL && strcmp(key, name) == 0) {
            *value = (json_t){object.at + start, end - start};
            return true;
        }
        // Behind the comma, if there is one.
        i = skip_space(object, skip_space(object, end) + 1);
    }
    return false;
}

const char *json_text(json_t object, const char *name) {
    json_t value;
    if (!json_member(object, name, &value) || value.length < 2 || value.at[0] != '"') {
        return NULL;
    }
    return unquoted(value);
}

json_t message_payload(const action_call_t *call) {
    json_t payload;
    if (!json_member(json_of(call->message.text), "payload", &payload)) {
        abort();
    }
    return payload;
}

// Writing.

const char *json_quoted(const char *text) {
    // The longest escape has six characters.
    char *start = allocate(strlen(text) * 6 + 3), *to = start;
    *to++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            *to++ = '\\';
            *to++ = *text;
        } else if ((unsigned char)*text < 0x20) {
            to += sprintf(to, "\\u%04x", (unsigned)*text);
        } else {
            *to++ = *text;
        }
    }
    *to++ = '"';
    *to = '\0';
    return start;
}

const char *format(const char *how, ...) {
    va_list arguments, again;
    va_start(arguments, how);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, how, arguments);
    va_end(arguments);
    if (length < 0) {
        abort();
    }
    char *text = allocate((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, how, again);
    va_end(again);
    return text;
}

bool advance_to(action_advance_t *advance, const char *state, const char *patch, const char *note) {
    action_string_dup(&advance->state, state);
    action_string_dup(&advance->ext_patch, patch);
    advance->note.is_some = note != NULL;
    if (note != NULL) {
        action_string_dup(&advance->note.val, note);
    }
    return true;
}

bool fail_permanently(action_failure_t *failure, const char *reason) {
    failure->tag = SURETY_ACTION_TYPES_FAILURE_PERMANENT;
    action_string_dup(&failure->val.permanent, reason);
    return false;
}

bool fail_for_now(action_failure_t *failure, const char *reason) {
    failure->tag = SURETY_ACTION_TYPES_FAILURE_TRANSIENT;
    action_string_dup(&failure->val.transient, reason);
    return false;
}

static void write_line(surety_action_log_level_t level, const char *text) {
    action_string_t line;
    action_string_set(&line, text);
    surety_action_log_write(level, &line);
}

void log_debug(const char *text) {
    write_line(SURETY_ACTION_LOG_LEVEL_DEBUG, text);
}

void log_info(const char *text) {
    write_line(SURETY_ACTION_LOG_LEVEL_INFO, text);
}

void log_warn(const char *text) {
    write_line(SURETY_ACTION_LOG_LEVEL_WARN, text);
}

void log_error(const char *text) {
    write_line(SURETY_ACTION_LOG_LEVEL_ERROR, text);
}
