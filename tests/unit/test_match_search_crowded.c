/* tier: check */
/* test_match_search.c with a queue that is nearly always full: the search then goes depth first. */
#define QUEUE_MOST 80u
#include "daemon/match/match_search.c"

#include "tests/unit/test_match_search.c"
