/* version.h - the version of the programs, daemon and client alike. Owns nothing else. */
#ifndef VACANCY_BASE_VERSION_H
#define VACANCY_BASE_VERSION_H

#define VACANCY_VERSION "0.1.0"

#endif
