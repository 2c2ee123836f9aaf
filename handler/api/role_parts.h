#pragma once
/* Inside of the api role: one request on its way. role.c takes it in and asks whether it may be, verbs.c and streams.c answer it. */
#include "handler/api/access.h"
#include "handler/api/authority.h"
#include "handler/api/relay.h"
#include "handler/api/role.h"
#include "handler/api/server.h"
#include "handler/api/verb_patch.h"
#include "handler/kube/watch.h"

struct WryApiRole {
  const WryApiRoleOptions *options;
  WryKube *kube;
  WryFleet *fleet;
  WryApiAuthority *authority;
  WryAccessCheck *access;
  WryKubeWatch *trusted;   /* kube-system/extension-apiserver-authentication */
  WryFrontProxy *proxy;    /* NULL: nobody is believed yet */
  WryTlsTrust *trust;
  WryApiServer *server;
  GHashTable *turns;       /* WryApiTurn that are open */
  GHashTable *streams;     /* WryApiSession that live */
};

/* A request from the moment it is believed until it is answered. */
typedef struct {
  WryApiRole *role;
  WryApiRequest *request;
  WryRouteMatch match;
  WryRequester requester;
  WryJson *body, *vm, *vmi;
  WryApiVerb verb;
  guint step;              /* of the patches */
  WryKubeCall *call;
  int fd;                  /* of a stream that is being opened */
  guint source, timer;     /* wait for its connection */
} WryApiTurn;

/* Each answers the request and frees the turn. */
void wry_api_turn_fail(WryApiTurn *turn, guint code, const char *message);
void wry_api_turn_empty(WryApiTurn *turn, guint code);
void wry_api_turn_json(WryApiTurn *turn, WryJson *take_object);
/* Answered by somebody else: only frees it. */
void wry_api_turn_end(WryApiTurn *turn);

/* The objects that the route names are there (vm NULL for a VMI's route; vmi NULL only for a VM's). */
void wry_api_serve_verb(WryApiTurn *turn);
void wry_api_serve_info(WryApiTurn *turn);
void wry_api_serve_console(WryApiTurn *turn);
void wry_api_serve_vnc(WryApiTurn *turn);
void wry_api_serve_port(WryApiTurn *turn);
void wry_api_serve_expand(WryApiTurn *turn);

/* The guest of the turn's VMI on this node with its launcher; NULL: the request has been answered with why not. */
WryLauncher *wry_api_turn_launcher(WryApiTurn *turn);
/* Phase of the turn's VMI. */
WryPhase wry_api_turn_phase(const WryApiTurn *turn);
/* Every stream ends. */
void wry_api_streams_free(WryApiRole *role);
