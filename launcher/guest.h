#pragma once
/* Conversation with the guest agent: several questions in a row, and a watch that keeps what a VMI's status shows. Runs on the default GMainContext. */
#include "launcher/agent.h"
#include "launcher/virt/virt.h"

/* Sends one command to the agent; wry_virt_do(…, WRY_VIRT_AGENT, …) or a test's own. */
typedef void (*WryGuestSend)(gpointer transport, const char *command, guint timeout, WryVirtDone done, gpointer data);

/* `answers` (borrowed, indexed by WryAgentCommand): shaped answers, NULL where the agent refused that command. error: the agent did not answer, or the first command was refused. */
typedef void (*WryGuestDone)(WryJson *const *answers, const GError *error, gpointer data);
/* Asks the commands of `list` (ends with WRY_AGENT_COMMANDS; static) one after another, each with `timeout` seconds. */
void wry_guest_ask(WryGuestSend send, gpointer transport, const WryAgentCommand *list, guint timeout, WryGuestDone done, gpointer data);

/* What a `guestinfo` request may ask ("osinfo", "users", "filesystems") and the `probe` ("guestAgentPing"): the commands, NULL when unknown. */
const WryAgentCommand *wry_guest_list(const char *what);
/* The reply's data for `what` from the answers, as KubeVirt shapes it (contract 7.6). New reference. */
WryJson *wry_guest_reply(const char *what, WryJson *const *answers);

/* While the agent is connected: asks what it supports, which system runs and which addresses it has; soon after the connection, then ever more rarely. No timer without an agent. */
typedef struct WryGuestWatch WryGuestWatch;
typedef void (*WryGuestLearned)(WryJson *info, WryJson *os, WryJson *interfaces, gpointer data); /* borrowed; NULL = not known */
WryGuestWatch *wry_guest_watch_new(WryGuestSend send, gpointer transport, WryGuestLearned learned, gpointer data);
void wry_guest_watch_free(WryGuestWatch *watch);
void wry_guest_watch_connected(WryGuestWatch *watch, gboolean connected);
/* Seconds until the nth refresh after a connection (from 0). Pure. */
guint wry_guest_interval(guint round);
