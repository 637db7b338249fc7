// {{name}}: accepts an amount that is at most the deployment's limit.

#include "surety.h"

#include <string.h>

// Whether a text is a decimal number without leading zeros.
static bool is_number(const char *text) {
    return text != NULL && *text != '\0' && text[strspn(text, "0123456789")] == '\0' &&
           (text[0] != '0' || text[1] == '\0');
}

// Whether one number is above another. They may be larger than any integer of C.
static bool is_above(const char *a, const char *b) {
    size_t length = strlen(a);
    return length != strlen(b) ? length > strlen(b) : strcmp(a, b) > 0;
}

bool exports_action_run(action_call_t *call, action_advance_t *advance, action_failure_t *failure) {
    const char *amount = json_text(message_payload(call), "amount");
    const char *limit = json_text(json_of(call->settings), "limit");
    if (!is_number(amount) || !is_number(limit)) {
        return fail_permanently(failure, "the amount or the limit is no number");
    }
    if (is_above(amount, limit)) {
        return advance_to(advance, "refused", "{}", format("%s is above %s", amount, limit));
    }
    const char *note = format("%s is within %s", amount, limit);
    log_info(note);
    const char *patch = format("{\"checked\":{\"amount\":%s,\"limit\":%s}}", json_quoted(amount),
                               json_quoted(limit));
    return advance_to(advance, "accepted", patch, note);
}
