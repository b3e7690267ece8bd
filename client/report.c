/*
 * report.c - see report.h. The client's one thread.
 */
#include "client/report.h"

#include "client/json.h"
#include "client/memory.h"
#include "daemon/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>

void report_begin(struct report *report, struct cli *cli, const char *file, const char *what)
{
    *report = (struct report){.cli = cli, .file = file, .json = options_flag(&cli->options, "json")};
    receipts_begin(&report->receipts, cli);
    report->began_ms = clock_boot_ms(clock_system());
    progress_begin(&report->progress, what, cli->err);
    if (report->json)
        fputs("{\"rejected\": [", cli->out);
}

void report_rejected(struct report *report, uint64_t line, const char *column, const char *text)
{
    if (report->json) {
        json_t *entry = json_object();
        json_object_set_new(entry, "line", line ? json_integer((json_int_t)line) : json_null());
        json_object_set_new(entry, "column", column ? json_string(column) : json_null());
        json_object_set_new(entry, "reason", json_of_text(text));
        fputs(report->rejected ? ",\n  " : "\n  ", report->cli->out);
        json_print_inline(report->cli->out, entry);
    } else {
        char *name = clean_text(report->file, 0), *clean = clean_text(text, 0);
        progress_end(&report->progress);
        fprintf(report->cli->err, "%s:", name);
        if (line > 0)
            fprintf(report->cli->err, "%" PRIu64 ":", line);
        fprintf(report->cli->err, " %s%s%s\n", column ? column : "", column ? ": " : "", clean);
        free(name);
        free(clean);
    }
    rejected_lines_add(&report->kept, line, column);
    report->rejected++;
    report->rejected_lines += line == 0 || report->rejected_line != line;
    report->rejected_line = line;
}

static void print_more(const struct report *report)
{
    const char *name;
    json_t *value;
    json_object_foreach(report->more, name, value)
    {
        fprintf(report->cli->out, ",\n \"%s\": ", name);
        json_print_inline(report->cli->out, json_incref(value));
    }
    json_decref(report->more);
}

static void print_json_sum(const struct report *report, double seconds)
{
    FILE *out = report->cli->out;
    fprintf(out, "%s],\n ", report->rejected ? "\n" : "");
    if (report->done)
        fprintf(out, "\"%s\": %" PRIu64, report->done, report->updated);
    else
        fprintf(out,
                "\"created\": %" PRIu64 ", \"updated\": %" PRIu64 ", \"confirmed\": %" PRIu64 ", \"ended\": %" PRIu64,
                report->created, report->updated, report->confirmed, report->ended);
    if (!report->done)
        fprintf(out, ", \"local\": %" PRIu64 ", \"replicated\": %" PRIu64 ", \"lost_in_restore\": %" PRIu32,
                report->receipts.local, report->receipts.replicated, report->receipts.lost_in_restore);
    print_more(report);
    fprintf(out, ", \"rejected_lines\": %" PRIu64 ", \"seconds\": %.3f}\n", report->rejected_lines, seconds);
}

static void print_sum(const struct report *report, double seconds)
{
    FILE *out = report->cli->out;
    char numbers[5][GROUPED_TEXT_BYTES];
    if (report->done)
        fprintf(out, "%s %s", grouped_text(report->updated, numbers[1]), report->done);
    else
        fprintf(out, "%s created, %s updated, %s confirmed unchanged, %s ended",
                grouped_text(report->created, numbers[0]), grouped_text(report->updated, numbers[1]),
                grouped_text(report->confirmed, numbers[2]), grouped_text(report->ended, numbers[3]));
    fprintf(out, "; %s %s rejected (%.1f s)\n", grouped_text(report->rejected_lines, numbers[4]),
            report->rejected_lines == 1 ? "line" : "lines", seconds);
}

enum ending { ENDS_DONE, ENDS_IDLE, ENDS_SHOWN };

static void end(struct report *report, enum ending ending)
{
    double seconds = (double)(clock_boot_ms(clock_system()) - report->began_ms) / 1000;
    progress_end(&report->progress);
    if (report->json)
        print_json_sum(report, seconds);
    else if (ending == ENDS_DONE)
        print_sum(report, seconds);
    if (ending != ENDS_SHOWN)
        rejected_lines_save(&report->kept, report->cli, report->file);
}

void report_end(struct report *report)
{
    end(report, ENDS_DONE);
}

void report_end_idle(struct report *report)
{
    end(report, ENDS_IDLE);
}

void report_end_shown(struct report *report)
{
    end(report, ENDS_SHOWN);
}
