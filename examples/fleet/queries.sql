-- queries.sql - questions to a fleet's incidents, for DuckDB. One row is one incident.json, which `gumshoe ship` has put beside its bundle.
-- First: SET VARIABLE fleet = 's3://fleet/prod'; and, for S3, CREATE SECRET (TYPE s3, PROVIDER credential_chain);

CREATE OR REPLACE VIEW incidents AS
SELECT * FROM read_json(getvariable('fleet') || '/dt=*/*/incident.json', format = 'newline_delimited', union_by_name = true,
    hive_partitioning = true,
    columns = {id: 'VARCHAR', triggered: 'TIMESTAMP', rule: 'VARCHAR', reason: 'VARCHAR', host: 'VARCHAR', pod: 'VARCHAR', namespace: 'VARCHAR',
               program: 'VARCHAR', exe: 'VARCHAR', build_id: 'VARCHAR', value: 'DOUBLE', "limit": 'UBIGINT', fingerprint: 'VARCHAR', complete: 'BOOLEAN',
               labels: 'MAP(VARCHAR, VARCHAR)', culprit: 'STRUCT("function" VARCHAR, file VARCHAR, line_number BIGINT, kind VARCHAR, share DOUBLE)',
               died: 'STRUCT(how VARCHAR, signal INTEGER)'});

-- 1. What costs the fleet most: causes of the last seven days, by the number of machines. One cause is one fingerprint.
SELECT coalesce(any_value(culprit.function), '(none)') AS culprit, any_value(rule) AS rule, count(*) AS incidents, count(DISTINCT host) AS machines,
       min(triggered) AS first_seen, max(triggered) AS last_seen, arg_max(id, triggered) AS newest
FROM incidents
WHERE dt >= DATE '2026-11-27' - 7
GROUP BY coalesce(fingerprint, rule)
ORDER BY machines DESC, incidents DESC
LIMIT 10;

-- 2. What a release has brought: causes that only one build of a service has shown, and not its first one.
WITH causes AS (
    SELECT coalesce(labels['service'], program) AS service, build_id, fingerprint, any_value(culprit.function) AS culprit,
           count(*) AS incidents, min(triggered) AS first_seen
    FROM incidents
    WHERE fingerprint IS NOT NULL
    GROUP BY ALL)
SELECT service, left(build_id, 12) AS build, culprit, incidents, first_seen
FROM causes
QUALIFY count(*) OVER (PARTITION BY service, fingerprint) = 1
    AND min(first_seen) OVER (PARTITION BY service, build_id) > min(first_seen) OVER (PARTITION BY service)
ORDER BY first_seen DESC;

-- 3. Who dies: processes that were killed, by service and cause of death, and who held most of the heap.
SELECT coalesce(labels['service'], program) AS service, died.how AS how, count(*) AS deaths, count(DISTINCT host) AS machines,
       any_value(culprit.function) AS held_most_by
FROM incidents
WHERE rule = 'previous-run-died'
GROUP BY ALL
ORDER BY deaths DESC;
