// What stands between an action and the raw contract in bindings/.
//
// An action exports `exports_action_run`. It returns what one of `advance_to`,
// `fail_permanently` and `fail_for_now` returns.
//
// Every call has an instance of its own, whose memory ends with it. So nothing
// is freed here, and nothing need be; when there is no memory left, the call ends.

#ifndef SURETY_H
#define SURETY_H

#include "action.h"

// A JSON value inside a text, without space around it.
typedef struct {
    const char *at;
    size_t length;
} json_t;

// The value in a text of the call: `json_of(call->ext)`, `json_of(call->settings)`.
json_t json_of(action_string_t text);

// The message's payload.
json_t message_payload(const action_call_t *call);

// A member of an object. False when the value is no object or has no such member.
bool json_member(json_t object, const char *name, json_t *value);

// A member of an object that is a text, without quotes and escapes. NULL when it
// is none, or holds the character zero.
const char *json_text(json_t object, const char *name);

// A text with quotes and escapes, to be written into JSON.
const char *json_quoted(const char *text);

// A text made as by printf.
const char *format(const char *how, ...) __attribute__((format(printf, 1, 2)));

// The message moves on to a state that the manifest's `returns` names. The patch
// is a JSON Merge Patch (RFC 7396) for Msg_Ext; the note, a line for the
// message's history, may be NULL.
bool advance_to(action_advance_t *advance, const char *state, const char *patch, const char *note);

// The action failed, and another attempt would fail, too.
bool fail_permanently(action_failure_t *failure, const char *reason);

// The action failed, and another attempt may not.
bool fail_for_now(action_failure_t *failure, const char *reason);

// Lines for the host's log, which limits their number and size.
void log_debug(const char *text);
void log_info(const char *text);
void log_warn(const char *text);
void log_error(const char *text);

#endif
