-- Divides what mini-apps store into 16 partitions by the hash of the user's space, on PostgreSQL. Optional: worth it when
-- storage_entry has grown beyond some hundred million rows, for vacuum and indexes; requests do not change and need not.
-- Stop the servers, make a backup, then: psql --single-transaction --set ON_ERROR_STOP=1 "$DATABASE_URL" < partition-storage.sql
-- Every unique key of these tables contains space_id, so nothing of their rules is lost.
ALTER TABLE storage_entry RENAME TO storage_entry_whole;
CREATE TABLE storage_entry (LIKE storage_entry_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (space_id);
ALTER TABLE storage_mutation RENAME TO storage_mutation_whole;
CREATE TABLE storage_mutation (LIKE storage_mutation_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY HASH (space_id);
DO $$
BEGIN
  FOR part IN 0..15 LOOP
    EXECUTE format('CREATE TABLE storage_entry_p%s PARTITION OF storage_entry FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
    EXECUTE format('CREATE TABLE storage_mutation_p%s PARTITION OF storage_mutation FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
  END LOOP;
END $$;
INSERT INTO storage_entry SELECT * FROM storage_entry_whole;
INSERT INTO storage_mutation SELECT * FROM storage_mutation_whole;
DROP TABLE storage_entry_whole;
DROP TABLE storage_mutation_whole;
ALTER TABLE storage_entry ADD PRIMARY KEY (space_id, key), ADD FOREIGN KEY (space_id) REFERENCES storage_space (id) ON DELETE CASCADE;
ALTER TABLE storage_mutation ADD PRIMARY KEY (space_id, mutation_id), ADD FOREIGN KEY (space_id) REFERENCES storage_space (id) ON DELETE CASCADE;
CREATE UNIQUE INDEX storage_entry_feed ON storage_entry (space_id, rev);
CREATE INDEX storage_entry_expiry ON storage_entry (space_id, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX storage_entry_tombstones ON storage_entry (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX storage_mutation_age ON storage_mutation (created_at);
ANALYZE storage_entry;
ANALYZE storage_mutation;
