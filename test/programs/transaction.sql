-- One transaction over many pages of a small cache, so that a part of it is in the file (or its log) before the end.
-- In its middle the shell says that it is ready and waits for its turn.
PRAGMA cache_size = 20;
CREATE TABLE words(id INTEGER PRIMARY KEY, word TEXT, used INTEGER);
CREATE INDEX by_word ON words(word);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO words SELECT i, printf('word %08x', i * 7919 % 100003), 0 FROM n;
BEGIN IMMEDIATE;
CREATE TEMP TABLE seen(id INTEGER);
UPDATE words SET used = used + 1, word = word || ' changed' WHERE id % 3 = 0;
INSERT INTO seen SELECT id FROM words WHERE id % 5 = 0;
WITH RECURSIVE n(i) AS (SELECT 3001 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
INSERT INTO words SELECT i, printf('word %08x', i * 7919 % 100003), 1 FROM n;
.system touch "$VICTIM_READY.1"; until [ -e "$VICTIM_GO.1" ]; do sleep 0.01; done
DELETE FROM words WHERE id IN (SELECT id FROM seen);
INSERT INTO words SELECT id + 20000, 'again ' || id, 2 FROM seen;
UPDATE words SET used = used * 2 WHERE word LIKE '%changed';
COMMIT;
PRAGMA integrity_check;
SELECT count(*), sum(used), sum(length(word)) FROM words;
