/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/agent.h"

#include <string.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/shell.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/libvirt_error.h"
#include "guest/thaw.h"

/* A working agent answers a question almost at once. */
#define QUESTION_S 5
#define THAW_ANSWER_S 10
#define THAW_PAUSE_MS 500
/* An agent that has answered nonsense is not waited for longer than this. */
#define GARBLED_LIMIT_S 10

/* Codes of libvirt that our version's header may lack. */
#define AGENT_COMMAND_TIMEOUT 112
#define AGENT_COMMAND_FAILED 113

static unsigned at_most(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Without this libvirt waits forever. The setting stays with the guest, not with the connection. */
static int set_agent_limit(virDomainPtr domain, int limit_s, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    if (virDomainAgentSetResponseTimeout(domain, limit_s, 0) == 0 ||
        libvirt_error_code() == VIR_ERR_NO_SUPPORT)
        return 0;
    return libvirt_error(err, "cannot set the guest agent's timeout");
}

static void lift_limit(virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_usual);

    if (virDomainAgentSetResponseTimeout(domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0) < 0)
        log_detail("cannot reset the guest agent's timeout: %s", virGetLastErrorMessage());
}

static void set_outcome(struct guest *guest, enum freeze_outcome outcome)
{
    pthread_mutex_lock(&guest->lock);
    guest->freeze.outcome = outcome;
    guest->freeze.limit_ms = units_now_ms();
    pthread_mutex_unlock(&guest->lock);
}

/* ---- freeze ---------------------------------------------------------------------------------- */

/* Errors that libvirt detects before it asks the agent anything. */
static bool never_sent(int code)
{
    /* libvirt synchronises with the agent before it asks for anything. */
    return code == VIR_ERR_AGENT_UNSYNCED || code == VIR_ERR_OPERATION_INVALID ||
           code == VIR_ERR_ARGUMENT_UNSUPPORTED || code == VIR_ERR_OPERATION_UNSUPPORTED ||
           code == VIR_ERR_OPERATION_TIMEOUT || code == VIR_ERR_NO_SUPPORT ||
           code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_DENIED ||
           code == VIR_ERR_ACCESS_DENIED;
}

static bool is_silent(int code)
{
    return code == VIR_ERR_AGENT_UNRESPONSIVE || code == VIR_ERR_AGENT_UNSYNCED ||
           code == AGENT_COMMAND_TIMEOUT;
}

/* libvirt before 9.1 has no separate code for an error from the agent. */
static bool agent_answered(const virError *error)
{
    return error->code == AGENT_COMMAND_FAILED ||
           (error->code == VIR_ERR_INTERNAL_ERROR && error->domain == VIR_FROM_QEMU);
}

/* Even libvirt could not make sense of the answer. */
static bool is_garbled(const virError *error)
{
    return !never_sent(error->code) && !is_silent(error->code) && !agent_answered(error) &&
           error->domain != VIR_FROM_RPC;
}

static enum freeze_outcome outcome_of_error(const virError *error)
{
    if (never_sent(error->code))
        return FREEZE_NOT_SENT;
    if (!agent_answered(error))
        return is_garbled(error) ? FREEZE_GARBLED : FREEZE_LATE;
    /* Somebody else had frozen it already, so it is not ours to thaw. libvirt has one code for all
     * that an agent refuses; "frozen state" is in the agent's answer, which it hands on as text. */
    return error->message && strstr(error->message, "frozen state") ? FREEZE_NOT_SENT
                                                                    : FREEZE_REFUSED;
}

/* Detects a missing agent, or one that answers nonsense, with a harmless question, so that no
 * freeze is left in its queue. An error counts as an answer. */
static int check_answers(virDomainPtr domain, struct err *err)
{
    long long seconds = 0;
    unsigned nanoseconds = 0;
    BOUNDED_CALLS(&bounded_usual);

    if (virDomainGetTime(domain, &seconds, &nanoseconds, 0) == 0)
        return 0;
    const virError *error = virGetLastError();
    if (error && !is_silent(error->code) && !is_garbled(error) &&
        error->code != VIR_ERR_AGENT_UNSYNCED)
        return 0;
    return libvirt_error(err, "cannot freeze the guest's file systems");
}

static int ask_agent(virDomainPtr domain, unsigned timeout_s, struct err *err)
{
    if (set_agent_limit(domain, (int)at_most(QUESTION_S, timeout_s), err) < 0 ||
        check_answers(domain, err) < 0)
        return -1;
    return set_agent_limit(domain, (int)timeout_s, err);
}

bool guest_agent_answers(struct guest *guest)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (connection_domain(guest, &domain, &err) == 0 && ask_agent(domain, QUESTION_S, &err) == 0) {
        lift_limit(domain);
        return true;
    }
    if (domain)
        lift_limit(domain);
    log_detail("guest '%s': its agent is connected, but does not answer: %s", guest->name,
               err.text);
    return false;
}

int guest_freeze(struct guest *guest, unsigned timeout_s, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    struct bounded_times times = bounded_usual; /* and the agent's own limit */

    times.limit_ms += (uint64_t)timeout_s * 1000;
    times.signal_ms += (uint64_t)timeout_s * 1000;
    BOUNDED_CALLS(&times);
    set_outcome(guest, FREEZE_NOT_SENT);
    if (connection_domain(guest, &domain, err) < 0 || ask_agent(domain, timeout_s, err) < 0)
        return -1;
    if (virDomainFSFreeze(domain, NULL, 0, 0) >= 0) {
        set_outcome(guest, FREEZE_DONE);
        return 0;
    }
    const virError *error = virGetLastError();
    set_outcome(guest, error ? outcome_of_error(error) : FREEZE_LATE);
    return libvirt_error(err, "cannot freeze the guest's file systems");
}

/* ---- thaw -------------------------------------------------------------------------------------- */

static enum thaw_answer ask_to_thaw(virDomainPtr domain, bool *ret_garbled, struct err *why)
{
    BOUNDED_CALLS(&bounded_usual);
    int count = virDomainFSThaw(domain, NULL, 0, 0);

    if (count >= 0)
        return count > 0 ? THAW_THAWED : THAW_NOTHING;
    const virError *error = virGetLastError();
    bool answered = error && agent_answered(error);
    *ret_garbled = error && is_garbled(error);
    libvirt_error(why, "cannot thaw the guest's file systems");
    return answered ? THAW_FAILED : THAW_SILENT;
}

/* A guest that has no agent, or is off, cannot have frozen file systems. */
static bool cannot_be_frozen(virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_usual);
    int code = libvirt_error_code();

    return code == VIR_ERR_ARGUMENT_UNSUPPORTED || code == VIR_ERR_NO_SUPPORT ||
           (code == VIR_ERR_OPERATION_INVALID && virDomainIsActive(domain) == 0);
}

/* Asks once. *why is set if there is no answer, or if it is an error. */
static bool thaw_round(struct guest *guest, struct thaw *thaw, unsigned limit_s, struct err *why)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_revive(guest->hypervisor, why) < 0)
        return false;
    if (connection_domain(guest, &domain, why) < 0)
        return why->kind == ERR_NOT_FOUND;
    if (set_agent_limit(domain, (int)limit_s, why) < 0)
        return cannot_be_frozen(domain);
    bool nonsense = false;
    enum thaw_answer answer = ask_to_thaw(domain, &nonsense, why);
    if (nonsense)
        thaw->freeze = FREEZE_GARBLED;
    if (answer == THAW_SILENT && cannot_be_frozen(domain))
        return true;
    log_detail("thaw: %s", answer == THAW_THAWED    ? "done"
                           : answer == THAW_NOTHING ? "nothing is frozen"
                                                    : why->text);
    return thaw_is_over(thaw, answer, units_now_ms());
}

/* A guest that answers nonsense decides neither how long we take nor how we end. */
static int give_up_thaw(struct guest *guest, const struct thaw *thaw, const struct err *why,
                        struct err *err)
{
    const char *text = why->text ? why->text : "the agent has not settled yet";

    if (thaw->freeze == FREEZE_GARBLED) {
        log_warn_guest(guest->name,
                       "its agent gives nonsensical answers, so its file systems may still "
                       "be frozen (%s)",
                       text);
        return 0;
    }
    CLEANUP_FREE char *line = shell_virsh("domfsthaw", guest->name);
    return err_set(err, ERR_BUSY,
                   "the guest's file systems may still be frozen (%s); to thaw them, run: %s", text,
                   line);
}

static int thaw_all(struct guest *guest, struct thaw *thaw, unsigned timeout_s, struct err *err)
{
    uint64_t began_ms = units_now_ms();
    uint64_t passed_ms = 0;

    for (;;) {
        CLEANUP_ERR struct err why = ERR_INIT;
        uint64_t limit_ms = (uint64_t)timeout_s * 1000;
        unsigned left_s = passed_ms < limit_ms ? (unsigned)((limit_ms - passed_ms) / 1000) + 1 : 1;
        if (thaw_round(guest, thaw, at_most(left_s, THAW_ANSWER_S), &why))
            return 0;
        if (thaw->freeze == FREEZE_GARBLED)
            timeout_s = at_most(timeout_s, GARBLED_LIMIT_S);
        passed_ms = units_now_ms() - began_ms;
        if (passed_ms >= (uint64_t)timeout_s * 1000)
            return give_up_thaw(guest, thaw, &why, err);
        if (quit_sleep(THAW_PAUSE_MS, err) < 0)
            return err_prefix(err, "the guest's file systems may still be frozen");
        passed_ms = units_now_ms() - began_ms;
    }
}

int guest_thaw(struct guest *guest, unsigned timeout_s, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    pthread_mutex_lock(&guest->lock);
    enum freeze_outcome outcome = guest->freeze.outcome;
    uint64_t limit_ms = guest->freeze.limit_ms;
    pthread_mutex_unlock(&guest->lock);
    struct thaw thaw = thaw_begin(outcome, limit_ms, units_now_ms());
    int result = outcome == FREEZE_NOT_SENT ? 0 : thaw_all(guest, &thaw, timeout_s, err);
    if (result == 0)
        set_outcome(guest, FREEZE_NOT_SENT);
    if (connection_domain(guest, &domain, NULL) == 0)
        lift_limit(domain);
    return result;
}
