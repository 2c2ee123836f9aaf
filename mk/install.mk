# Installation.  Included by the Makefile.  PREFIX (/usr/local) and DESTDIR as usual.
PREFIX  ?= /usr/local
DESTDIR ?=
