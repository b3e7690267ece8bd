/*
 * cmd_ping.c - vacancy ping: is the hub there, does it know us, how long does it take. The client's one thread.
 */
#include "client/command.h"
#include "daemon/base/clock.h"
#include "grpc/health/v1/health.pb-c.h"

#include <inttypes.h>

static enum exit_code run(struct cli *cli)
{
    const struct clock_source *clock = clock_system();
    int64_t began_ms = clock_boot_ms(clock);
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    int64_t connected_ms = clock_boot_ms(clock);
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    if (link_call(cli->link, "/grpc.health.v1.Health/Check", &request.base,
                  &grpc__health__v1__health_check_response__descriptor, &reply, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    bool serving = ((const Grpc__Health__V1__HealthCheckResponse *)reply)->status ==
                   GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    fprintf(cli->out, "the hub of region %s %s (connected in %" PRId64 " ms, answered in %" PRId64 " ms)\n",
            link_region(cli->link), serving ? "is serving" : "is there but not serving; try again later",
            connected_ms - began_ms, clock_boot_ms(clock) - connected_ms);
    return serving ? EXIT_DONE : EXIT_UNAVAILABLE;
}

const struct command command_ping = {
    .name = "ping",
    .arguments = "",
    .summary = "See whether the hub is there and takes your certificate.",
    .example = "  vacancy ping\n",
    .run = run,
};
