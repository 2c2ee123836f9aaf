#pragma once
/* The stages of `launcher` that are functions of it. `argc`, `argv` begin with the verb; the result is the exit status. */
int wry_run_main(int argc, char **argv);
int wry_probe_main(int argc, char **argv);
int wry_console_tail_main(int argc, char **argv);
