CREATE TABLE "collections" (
    id TEXT PRIMARY KEY, -- unique globally
    name TEXT NOT NULL, -- unique per database
    dimension INTEGER,
    database_id TEXT NOT NULL REFERENCES databases(id) ON DELETE CASCADE, config_json_str TEXT, schema_str TEXT,
    UNIQUE (name, database_id)
);
INSERT INTO collections VALUES ('86b198bb-5c87-471b-a83d-aa78956c229e', 'memgpt_archival_memory_agent', 4096, '00000000-0000-0000-0000-000000000000', '{}', '{}');
CREATE TABLE "segments" (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    scope TEXT NOT NULL,
    collection TEXT REFERENCES collection(id) NOT NULL
);
INSERT INTO segments VALUES ('4297aa1f-a7e2-43da-92f8-185fb1818a42', 'urn:chroma:segment/vector/hnsw-local-persisted', 'VECTOR', '86b198bb-5c87-471b-a83d-aa78956c229e');
INSERT INTO segments VALUES ('72e49b6a-b638-4aad-a8e5-8353fc263652', 'urn:chroma:segment/metadata/sqlite', 'METADATA', '86b198bb-5c87-471b-a83d-aa78956c229e');
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY,
    segment_id TEXT NOT NULL,
    embedding_id TEXT NOT NULL,
    seq_id BLOB NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (segment_id, embedding_id)
);
INSERT INTO embeddings VALUES (1, '72e49b6a-b638-4aad-a8e5-8353fc263652', '539dc2d7-440c-8661-abfb-8b53510bc21f', 1, '2026-11-20 20:45:16');
CREATE TABLE embedding_metadata (
    id INTEGER REFERENCES embeddings(id),
    key TEXT NOT NULL,
    string_value TEXT,
    int_value INTEGER,
    float_value REAL, bool_value INTEGER,
    PRIMARY KEY (id, key)
);
INSERT INTO embedding_metadata VALUES (1, 'created_at', NULL, 1795207516, NULL, NULL);
INSERT INTO embedding_metadata VALUES (1, 'agent_id', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', NULL, NULL, NULL);
INSERT INTO embedding_metadata VALUES (1, 'embedding_dim', NULL, 8, NULL, NULL);
INSERT INTO embedding_metadata VALUES (1, 'embedding_model', 'e', NULL, NULL, NULL);
INSERT INTO embedding_metadata VALUES (1, 'chroma:document', 'Ada keeps bees in Bonn.', NULL, NULL, NULL);
INSERT INTO embedding_metadata VALUES (1, 'user_id', '00000000-0000-0000-0000-02fc00000001', NULL, NULL, NULL);
