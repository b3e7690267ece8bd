/* version.h - the version of the programs. Owns nothing else. */
#ifndef VACANCY_VERSION_H
#define VACANCY_VERSION_H

#define VACANCY_VERSION "0.1.0"

#endif
