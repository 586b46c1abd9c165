"""Whether records come in, are read, judged and stored, and what the processes cost."""

from __future__ import annotations

from typing import Final

from deploy.grafana.parts import (
    BYTES,
    BYTES_A_SECOND,
    EVENTS_A_SECOND,
    NONE_IS_BAD,
    NONE_IS_GOOD,
    NUMBER,
    RECORDS_A_SECOND,
    SECONDS,
    SHARE,
    Query,
    Row,
    Sheet,
    W,
    bars,
    graph,
    number,
    or_none,
    states,
)

T: Final = f'topic=~"$topic",{W}'
"""The matcher of queries by topic."""

PIPELINE: Final = Sheet(
    uid="cloverwatch-pipeline",
    title="cloverwatch / pipeline health",
    description="Lag, lost and unusable records, directories, and the processes themselves.",
    topics="cloverwatch_consumer_lag_records",
    rows=(
        Row(
            "Reading",
            (
                graph(
                    "Records read",
                    "Records read from each topic.",
                    RECORDS_A_SECOND,
                    Query(f"sum by (topic) (rate(cloverwatch_records_total{{{T}}}[$__rate_interval]))", "{{topic}}"),
                ),
                graph(
                    "Lag by topic",
                    "Offsets between what is committed and the end of the log.",
                    NUMBER,
                    Query('topic:cloverwatch_consumer_lag_records:sum{topic=~"$topic"}', "{{topic}}"),
                ),
                bars(
                    "Lag by partition",
                    "The ten partitions with most records that wait. One alone stands for a batch that does not finish.",
                    NUMBER,
                    Query(
                        f"topk(10, max by (topic, partition) (cloverwatch_consumer_lag_records{{{T}}}))",
                        "{{topic}}/{{partition}}",
                    ),
                    width=8,
                ),
                graph(
                    "Age of the newest record",
                    "Time since the newest record that was read of a topic was written: it grows where nothing comes.",
                    SECONDS,
                    Query(f"min by (topic) (cloverwatch_newest_record_age_seconds{{{T}}})", "{{topic}}"),
                    width=8,
                ),
                graph(
                    "Age of the oldest unfinished batch",
                    "How long the oldest batch is being judged and stored. It may wait as long as the policy's facts_grace.",
                    SECONDS,
                    Query(f"max by (instance) (cloverwatch_ledger_head_age_seconds{{{W}}})", "{{instance}}"),
                    width=8,
                    steps=((None, "green"), (60, "red")),
                ),
                graph(
                    "Age of the last commit",
                    "Time since offsets were committed or had no need to be.",
                    SECONDS,
                    Query(f"max by (instance) (cloverwatch_commit_age_seconds{{{W}}})", "{{instance}}"),
                    width=8,
                    steps=((None, "green"), (60, "red")),
                ),
                graph(
                    "Partitions held",
                    "Partitions that each worker reads.",
                    NUMBER,
                    Query(f"sum by (instance) (cloverwatch_assigned_partitions{{{W}}})", "{{instance}}"),
                    width=8,
                    stacked=True,
                ),
                graph(
                    "Assignments",
                    "How often the group gave partitions anew within the hour before: workers came, went or were too slow to answer.",
                    NUMBER,
                    Query(f"sum by (instance) (increase(cloverwatch_rebalances_total{{{W}}}[1h]))", "{{instance}}"),
                    width=8,
                ),
            ),
        ),
        Row(
            "Nothing may be lost",
            (
                graph(
                    "Offsets never delivered",
                    "By kind: transaction markers are none of our records; lost by retention or unexplained are.",
                    NUMBER,
                    Query(
                        f"sum by (topic, kind) (increase(cloverwatch_offset_gap_records_total{{{T}}}[$__rate_interval]))",
                        "{{topic}}: {{kind}}",
                    ),
                ),
                graph(
                    "Dead letters",
                    "Records put away as unusable within the hour before, by topic and reason. `cloverwatch dead-letters` lists them.",
                    NUMBER,
                    Query(
                        f"sum by (topic, reason) (increase(cloverwatch_dead_letters_total{{{W}}}[1h])) > 0 "
                        f"or on () 0 * sum(cloverwatch_ready{{{W}}})",
                        "{{topic}}: {{reason}}",
                    ),
                ),
                graph(
                    "Records that are no access",
                    "Records of other systems that are about something else, by source and reason.",
                    RECORDS_A_SECOND,
                    Query(
                        or_none(
                            f"sum by (source, reason) (rate(cloverwatch_source_skipped_total{{{W}}}[$__rate_interval]))"
                        ),
                        "{{source}}: {{reason}}",
                    ),
                ),
                graph(
                    "Written anew",
                    "Records that lay in another partition than their person's.",
                    EVENTS_A_SECOND,
                    Query(f"sum(rate(cloverwatch_misplaced_total{{{W}}}[$__rate_interval]))", "misplaced"),
                ),
            ),
        ),
        Row(
            "Directories and policy",
            (
                graph(
                    "Directories not read",
                    "Time since each directory was last known to be read to its end.",
                    SECONDS,
                    Query(f"max by (topic) (cloverwatch_reference_age_seconds{{{W}}})", "{{topic}}"),
                    width=8,
                    steps=((None, "green"), (60, "red")),
                ),
                graph(
                    "Directories not written",
                    "Time since the newest row of each directory was written.",
                    SECONDS,
                    Query(f"min by (topic) (cloverwatch_reference_newest_row_age_seconds{{{W}}})", "{{topic}}"),
                    width=8,
                ),
                graph(
                    "Rows known",
                    "Versions known of each directory.",
                    NUMBER,
                    Query(f"max by (topic) (cloverwatch_reference_rows{{{W}}})", "{{topic}}"),
                    width=8,
                ),
                graph(
                    "Rows not read yet",
                    "Offsets of each directory that a worker has not read.",
                    NUMBER,
                    Query(f"max by (topic) (cloverwatch_reference_lag_records{{{W}}})", "{{topic}}"),
                ),
                number(
                    "Bad rows",
                    "Directory rows that could not be used, in the time that is shown; the versions before stay in force.",
                    NUMBER,
                    f"sum(increase(cloverwatch_reference_bad_rows_total{{{W}}}[$__range]))",
                    NONE_IS_GOOD,
                ),
                number(
                    "Rows under strange keys",
                    "Directory rows under a key that is not their own: compaction may lose one of their versions.",
                    NUMBER,
                    f"max(cloverwatch_reference_strange_keys{{{W}}})",
                    NONE_IS_GOOD,
                ),
                number(
                    "Policy not readable",
                    "Workers that cannot read the policy file and judge by an older policy.",
                    NUMBER,
                    f"sum(cloverwatch_policy_reload_failed{{{W}}})",
                    NONE_IS_GOOD,
                ),
            ),
        ),
        Row(
            "Processes",
            (
                states(
                    "Answer Prometheus",
                    "Whether each process answers when it is asked for its metrics.",
                    Query(f'min by (job, instance) (up{{job=~"cloverwatch-.+",{W}}})', "{{job}} {{instance}}"),
                    width=8,
                ),
                states(
                    "Judge",
                    "Whether each worker says that it is ready.",
                    Query(f"min by (instance) (cloverwatch_ready{{{W}}})", "{{instance}}"),
                    width=8,
                ),
                graph(
                    "Starts",
                    "How often each process started anew within the hour before.",
                    NUMBER,
                    Query(
                        f'changes(process_start_time_seconds{{job=~"cloverwatch-.+",{W}}}[1h])', "{{job}} {{instance}}"
                    ),
                    width=8,
                    steps=((None, "green"), (2, "red")),
                ),
                graph(
                    "Processor",
                    "Processor time, as a share of one core. A worker uses one core at most.",
                    SHARE,
                    Query(
                        f'rate(process_cpu_seconds_total{{job=~"cloverwatch-.+",{W}}}[$__rate_interval])',
                        "{{job}} {{instance}}",
                    ),
                    width=8,
                ),
                graph(
                    "Memory",
                    "Resident memory. Directories and habits make the most of it.",
                    BYTES,
                    Query(f'process_resident_memory_bytes{{job=~"cloverwatch-.+",{W}}}', "{{job}} {{instance}}"),
                    width=8,
                ),
                graph(
                    "Open files",
                    "Open file descriptors, as a share of those that the system allows.",
                    SHARE,
                    Query(
                        f'process_open_fds{{job=~"cloverwatch-.+",{W}}} / process_max_fds{{job=~"cloverwatch-.+",{W}}}',
                        "{{job}} {{instance}}",
                    ),
                    width=8,
                    most=1,
                ),
                graph(
                    "State written",
                    "Snapshots of habits and of the overseer that are written to their topics.",
                    BYTES_A_SECOND,
                    Query(
                        f"sum by (instance) (rate(cloverwatch_state_written_bytes_total{{{W}}}[$__rate_interval]))",
                        "{{instance}}",
                    ),
                ),
                number(
                    "Reading the past",
                    "How long the slowest worker took to read what is known of the past when it was last assigned partitions.",
                    SECONDS,
                    f"max(cloverwatch_state_load_seconds{{{W}}})",
                    ((None, "green"), (60, "orange"), (600, "red")),
                ),
                number(
                    "Workers",
                    "Workers that answer.",
                    NUMBER,
                    f"count(cloverwatch_ready{{{W}}})",
                    NONE_IS_BAD,
                ),
                number(
                    "Versions",
                    "Different versions of the program that run: one, but for an upgrade.",
                    NUMBER,
                    "count(count by (version) (cloverwatch_build_info))",
                    ((None, "green"), (2, "orange")),
                ),
            ),
        ),
    ),
)
