/* Questions to the guest agent. One question at a time, each bounded in time; an agent that does not answer one is not asked the rest. */
#include "launcher/guest.h"
#include <string.h>

typedef struct {
  WryGuestSend send;
  gpointer transport;
  const WryAgentCommand *next;
  guint timeout;
  WryGuestDone done;
  gpointer data;
  gboolean any; /* a question was answered */
  WryJson *answers[WRY_AGENT_COMMANDS];
} Talk;

static void talk_step(Talk *talk);

static void talk_end(Talk *talk, const GError *error) {
  talk->done(talk->answers, error, talk->data);
  for (gsize i = 0; i < G_N_ELEMENTS(talk->answers); i++)
    wry_json_put(talk->answers[i]);
  g_free(talk);
}

/* The agent's own refusal of a command ends the talk only when it is the first one: then there is nothing to tell. */
static void talk_answer(const char *text, const GError *error, gpointer data) {
  Talk *talk = data;
  g_autoptr(GError) problem = error ? g_error_copy(error) : NULL;
  g_autoptr(WryJson) returned = problem ? NULL : wry_agent_return(text, strlen(text), &problem);
  if (returned)
    talk->answers[*talk->next] = wry_agent_shape(*talk->next, returned);
  if (problem && (!talk->any || !g_error_matches(problem, WRY_ERROR, WRY_ERROR_FAILED))) {
    talk_end(talk, problem);
    return;
  }
  talk->any = TRUE;
  talk->next++;
  talk_step(talk);
}

static void talk_step(Talk *talk) {
  if (*talk->next == WRY_AGENT_COMMANDS)
    talk_end(talk, NULL);
  else
    talk->send(talk->transport, wry_agent_command(*talk->next), talk->timeout, talk_answer, talk);
}

void wry_guest_ask(WryGuestSend send, gpointer transport, const WryAgentCommand *list, guint timeout, WryGuestDone done, gpointer data) {
  Talk *talk = g_new0(Talk, 1);
  *talk = (Talk){.send = send, .transport = transport, .next = list, .timeout = timeout, .done = done, .data = data};
  talk_step(talk);
}

/* --- guestinfo -------------------------------------------------------------------------------------------------------- */

static const WryAgentCommand osinfo[] = {WRY_AGENT_INFO, WRY_AGENT_HOSTNAME, WRY_AGENT_OSINFO, WRY_AGENT_TIMEZONE, WRY_AGENT_USERS, WRY_AGENT_FILESYSTEMS, WRY_AGENT_FSFREEZE,
                                         WRY_AGENT_COMMANDS};
static const WryAgentCommand users[] = {WRY_AGENT_USERS, WRY_AGENT_COMMANDS};
static const WryAgentCommand filesystems[] = {WRY_AGENT_FILESYSTEMS, WRY_AGENT_COMMANDS};
static const WryAgentCommand ping[] = {WRY_AGENT_PING, WRY_AGENT_COMMANDS};

static void put(WryJson *object, const char *key, WryJson *value) {
  if (value)
    json_object_object_add(object, key, json_object_get(value));
}

static WryJson *reply_osinfo(WryJson *const *answers) {
  WryJson *data = json_object_new_object(), *disks = json_object_new_object();
  put(data, "guestAgentVersion", wry_json_get(answers[WRY_AGENT_INFO], "version"));
  put(data, "supportedCommands", wry_json_get(answers[WRY_AGENT_INFO], "supportedCommands"));
  put(data, "hostname", answers[WRY_AGENT_HOSTNAME]);
  put(data, "os", answers[WRY_AGENT_OSINFO]);
  put(data, "timezone", answers[WRY_AGENT_TIMEZONE]);
  put(data, "userList", answers[WRY_AGENT_USERS]);
  put(disks, "disks", answers[WRY_AGENT_FILESYSTEMS]);
  json_object_object_add(data, "fsInfo", disks);
  put(data, "fsFreezeStatus", answers[WRY_AGENT_FSFREEZE]);
  return data;
}

static WryJson *items(WryJson *list) {
  WryJson *data = json_object_new_object();
  json_object_object_add(data, "items", list ? json_object_get(list) : json_object_new_array());
  return data;
}

static WryJson *reply_users(WryJson *const *answers) {
  return items(answers[WRY_AGENT_USERS]);
}

static WryJson *reply_filesystems(WryJson *const *answers) {
  return items(answers[WRY_AGENT_FILESYSTEMS]);
}

static WryJson *reply_ping(WryJson *const *answers) {
  (void)answers;
  return json_object_new_object();
}

static const struct { const char *what; const WryAgentCommand *list; WryJson *(*reply)(WryJson *const *answers); } requests[] = {
  {"osinfo", osinfo, reply_osinfo}, {"users", users, reply_users}, {"filesystems", filesystems, reply_filesystems}, {"guestAgentPing", ping, reply_ping},
};

const WryAgentCommand *wry_guest_list(const char *what) {
  for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
    if (strcmp(requests[i].what, what) == 0)
      return requests[i].list;
  return NULL;
}

WryJson *wry_guest_reply(const char *what, WryJson *const *answers) {
  for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
    if (strcmp(requests[i].what, what) == 0)
      return requests[i].reply(answers);
  return NULL;
}
