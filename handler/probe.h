#pragma once
/* Liveness and readiness probes of a VMI, run by the handler on the main loop: tcpSocket and httpGet against the guest's address, guestAgentPing through the launcher (contract 2.4, 5.7). */
#include "wherry/spec.h"

typedef struct WryProbeRun WryProbeRun;

typedef struct {
  /* Starts a ping of the guest agent; `wry_probe_answer` tells how it went. */
  void (*ping)(WryProbeRun *run, gpointer data);
  /* The verdict changed: after successThreshold successes or failureThreshold failures in a row. */
  void (*verdict)(WryProbeRun *run, gboolean good, gpointer data);
} WryProbeCalls;

/* `probe` is one of `spec`. `address`: of the guest, NULL when it has none (tcp and http then fail). Starts after initialDelaySeconds. Borrows all. */
WryProbeRun *wry_probe_new(const WryProbe *probe, const WryVmiSpec *spec, const char *address, const WryProbeCalls *calls, gpointer data);
void wry_probe_free(WryProbeRun *run);
void wry_probe_answer(WryProbeRun *run, gboolean good);

/* Pure: status line of an HTTP answer: 200..399 is good; 0 = not enough bytes yet, -1 = no. */
int wry_probe_http_verdict(const char *text, gsize length);
