-- A task that is taken for a run and has no start is next there: whoever watches a service sees it wait, not run.
DROP VIEW IF EXISTS v_timeline;

CREATE VIEW v_timeline AS
SELECT t.operation_id, t.service_id, t.action AS step, n.name AS server,
       CASE WHEN t.status = 'running' AND t.started_at IS NULL THEN 'waiting' ELSE t.status END AS status, t.attempts,
       t.started_at, t.finished_at, t.error
FROM tasks t LEFT JOIN servers n ON n.id = t.server_id
WHERE t.operation_id IS NOT NULL;
