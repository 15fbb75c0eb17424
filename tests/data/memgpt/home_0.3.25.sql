CREATE TABLE users (
	id CHAR NOT NULL, 
	default_agent VARCHAR, 
	policies_accepted BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO users VALUES ('00000000-0000-0000-0000-02fc00000001', NULL, 0);
CREATE TABLE agents (
	id CHAR NOT NULL, 
	user_id CHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	system VARCHAR, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP, 
	llm_config JSON, 
	embedding_config JSON, 
	state JSON, 
	_metadata JSON, 
	tools JSON, 
	PRIMARY KEY (id)
);
INSERT INTO agents VALUES ('c8f7f382-1d73-42b5-9c95-56b7cd3a9805', '00000000-0000-0000-0000-02fc00000001', 'ada_friend', 'You are a test agent.
{CORE_MEMORY}', '2026-11-20 20:45:16.207913', '{"model": "gpt-4", "model_endpoint_type": "openai", "model_endpoint": "http://127.0.0.1:1/v1", "model_wrapper": null, "context_window": 8000}', '{"embedding_endpoint_type": "hugging-face", "embedding_endpoint": "http://127.0.0.1:1/v1", "embedding_model": "e", "embedding_dim": 8, "embedding_chunk_size": 300}', '{"system": "You are a test agent.\n{CORE_MEMORY}", "memory": {"persona": {"description": null, "limit": 2000, "value": "I am a careful friend."}, "human": {"description": null, "limit": 2000, "value": "I know nothing yet.\nName: Ada"}}, "messages": ["0b4c190a-9dc6-4868-b153-d66087e277f9", "7ceae2f4-e06c-4255-9ec7-d9bc0ebd32de", "5557296e-9b7c-499f-b47b-0a356ec95fe8", "f4471a48-5d23-4c04-90ca-c4838c884292", "b681841b-7291-4f6b-842e-d9763a0c3230", "ac400b09-eae5-4bf1-9700-a7e2eef79066", "618261a4-ac87-4080-a8a6-fc39e072df0c", "5dd88444-763d-4b7b-8f20-deecd24eb8c8", "d4e3c9a6-9e34-4239-9598-7b015eb004bc", "58c3839c-4ab9-43cf-89b3-f9fa34401093", "6492db0f-31d8-4006-a6e9-405801d33221", "1137f09a-bea9-4ea2-ad01-2dbda85f7182", "efe027ff-2b02-4ac7-a985-fc78d575d356", "f772396a-95bc-4457-8190-fff5664ccc5e", "9fc02c26-2782-493e-8928-d94f6142d4b3", "ba60618f-bab2-4f3b-bd7e-082e830aa83e", "6ff9b779-1484-4ffd-b0e7-1cdd09078c30", "960af781-3fcb-4913-8b56-cbf5a3e8d30d", "fcf97c08-e90e-4795-9294-0754899ee362", "741b2fc6-e5e3-4607-88eb-daeff3f0d9c4", "ecefe83d-d0e4-4c60-b64e-1000b2594f29", "8ced042f-b8dd-4a11-b29b-3fe36faab7f7"]}', '{"persona": "p", "human": "h"}', '["send_message", "pause_heartbeats", "conversation_search", "conversation_search_date", "archival_memory_insert", "archival_memory_search", "core_memory_append", "core_memory_replace"]');
INSERT INTO agents VALUES ('fd5cc789-55f1-4dcd-bb52-88c5b6e570b5', '00000000-0000-0000-0000-02fc00000001', 'second', 'Second.
{CORE_MEMORY}', '2026-11-20 20:45:16.903445', '{"model": "gpt-4", "model_endpoint_type": "openai", "model_endpoint": "http://127.0.0.1:1/v1", "model_wrapper": null, "context_window": 8000}', '{"embedding_endpoint_type": "hugging-face", "embedding_endpoint": "http://127.0.0.1:1/v1", "embedding_model": "e", "embedding_dim": 8, "embedding_chunk_size": 300}', '{"system": "Second.\n{CORE_MEMORY}", "memory": {"persona": {"description": null, "limit": 500, "value": "I am second."}, "human": {"description": null, "limit": 500, "value": ""}}, "messages": ["26a99360-ddf4-4c4c-b5eb-3aa87df9729c", "1af56674-2c5e-4dcd-b8b0-34be6a376338", "66dd7cf8-8bb8-4df1-95a1-279764bfadf9", "13765c92-10cb-4cb4-bc69-2dbd010f270d"]}', '{}', '["send_message", "pause_heartbeats", "conversation_search", "conversation_search_date", "archival_memory_insert", "archival_memory_search", "core_memory_append", "core_memory_replace"]');
CREATE TABLE sources (
	id CHAR NOT NULL, 
	user_id CHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP, 
	embedding_dim BIGINT, 
	embedding_model VARCHAR, 
	description VARCHAR, 
	PRIMARY KEY (id)
);
CREATE TABLE agent_source_mapping (
	id CHAR NOT NULL, 
	user_id CHAR NOT NULL, 
	agent_id CHAR NOT NULL, 
	source_id CHAR NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE presets (
	id CHAR NOT NULL, 
	user_id CHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	description VARCHAR, 
	system VARCHAR, 
	human VARCHAR, 
	human_name VARCHAR NOT NULL, 
	persona VARCHAR, 
	persona_name VARCHAR NOT NULL, 
	preset VARCHAR, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP, 
	functions_schema JSON, 
	PRIMARY KEY (id)
);
CREATE TABLE humanmodel (
	text VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	id CHAR(32) NOT NULL, 
	user_id CHAR(32), 
	PRIMARY KEY (id)
);
CREATE TABLE personamodel (
	text VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	id CHAR(32) NOT NULL, 
	user_id CHAR(32), 
	PRIMARY KEY (id)
);
CREATE TABLE memgpt_recall_memory_agent (
	id CHAR NOT NULL, 
	user_id CHAR NOT NULL, 
	agent_id CHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	text VARCHAR, 
	model VARCHAR, 
	name VARCHAR, 
	tool_calls JSON, 
	tool_call_id VARCHAR, 
	embedding BINARY, 
	embedding_dim BIGINT, 
	embedding_model VARCHAR, 
	created_at DATETIME, 
	PRIMARY KEY (id)
);
INSERT INTO memgpt_recall_memory_agent VALUES ('078c11d3-d38f-43c2-a99f-e3eb3927d534', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'system', 'You are a test agent.
### Memory [last modified: 2026-11-20 08:45:16 PM UTC+0000]
0 previous messages between you and the user are stored in recall memory (use functions to access them)
0 total memories you created are stored in archival memory (use functions to access them)

Core memory shown below (limited in size, additional information stored in archival / recall memory):
<persona characters="22/2000">
I am a careful friend.
</persona>
<human characters="19/2000">
I know nothing yet.
</human>', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.681272');
INSERT INTO memgpt_recall_memory_agent VALUES ('7ceae2f4-e06c-4255-9ec7-d9bc0ebd32de', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Bootup sequence complete. Persona activated. Testing messaging functionality.', 'gpt-4', NULL, '[{"id": "a7353c28-d34d-490b-8f10-a8222c5e0421", "tool_call_type": "function", "function": {"name": "send_message", "arguments": "{\n  \"message\": \"More human than human is our motto.\"\n}"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.681293');
INSERT INTO memgpt_recall_memory_agent VALUES ('5557296e-9b7c-499f-b47b-0a356ec95fe8', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": null, "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'send_message', 'null', 'a7353c28-d34d-490b-8f10-a8222c5e0421', NULL, NULL, NULL, '2026-11-20 20:45:16.681300');
INSERT INTO memgpt_recall_memory_agent VALUES ('f4471a48-5d23-4c04-90ca-c4838c884292', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "login", "last_login": "Never (first login)", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.681305');
INSERT INTO memgpt_recall_memory_agent VALUES ('0b4c190a-9dc6-4868-b153-d66087e277f9', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'system', 'You are a test agent.
### Memory [last modified: 2026-11-20 08:45:16 PM UTC+0000]
4 previous messages between you and the user are stored in recall memory (use functions to access them)
0 total memories you created are stored in archival memory (use functions to access them)

Core memory shown below (limited in size, additional information stored in archival / recall memory):
<persona characters="22/2000">
I am a careful friend.
</persona>
<human characters="29/2000">
I know nothing yet.
Name: Ada
</human>', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.734895');
INSERT INTO memgpt_recall_memory_agent VALUES ('b681841b-7291-4f6b-842e-d9763a0c3230', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "user_message", "message": "My name is Ada.", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.719750');
INSERT INTO memgpt_recall_memory_agent VALUES ('ac400b09-eae5-4bf1-9700-a7e2eef79066', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'I learn a name.', 'gpt-4', NULL, '[{"id": "06e3964d-8d98-4d45-9c32-a3184", "tool_call_type": "function", "function": {"arguments": "{\"name\": \"human\", \"content\": \"Name: Ada\", \"request_heartbeat\": true}", "name": "core_memory_append"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.727804');
INSERT INTO memgpt_recall_memory_agent VALUES ('618261a4-ac87-4080-a8a6-fc39e072df0c', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": "None", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'core_memory_append', 'null', '06e3964d-8d98-4d45-9c32-a3184', NULL, NULL, NULL, '2026-11-20 20:45:16.728050');
INSERT INTO memgpt_recall_memory_agent VALUES ('5dd88444-763d-4b7b-8f20-deecd24eb8c8', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "heartbeat", "reason": "[This is an automated system message hidden from the user] Function called using request_heartbeat=true, returning control", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.739919');
INSERT INTO memgpt_recall_memory_agent VALUES ('d4e3c9a6-9e34-4239-9598-7b015eb004bc', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Greet.', 'gpt-4', NULL, '[{"id": "d75e85e2-9d03-46af-a058-874b4", "tool_call_type": "function", "function": {"arguments": "{\"message\": \"Nice to meet you, Ada.\"}", "name": "send_message"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.743430');
INSERT INTO memgpt_recall_memory_agent VALUES ('58c3839c-4ab9-43cf-89b3-f9fa34401093', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": "None", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'send_message', 'null', 'd75e85e2-9d03-46af-a058-874b4', NULL, NULL, NULL, '2026-11-20 20:45:16.743600');
INSERT INTO memgpt_recall_memory_agent VALUES ('6492db0f-31d8-4006-a6e9-405801d33221', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "user_message", "message": "I keep bees in Bonn.", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.751062');
INSERT INTO memgpt_recall_memory_agent VALUES ('1137f09a-bea9-4ea2-ad01-2dbda85f7182', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Worth keeping.', 'gpt-4', NULL, '[{"id": "2bb4903a-07c3-4bca-870f-983d9", "tool_call_type": "function", "function": {"arguments": "{\"content\": \"Ada keeps bees in Bonn.\", \"request_heartbeat\": true}", "name": "archival_memory_insert"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.755263');
INSERT INTO memgpt_recall_memory_agent VALUES ('efe027ff-2b02-4ac7-a985-fc78d575d356', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": "None", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'archival_memory_insert', 'null', '2bb4903a-07c3-4bca-870f-983d9', NULL, NULL, NULL, '2026-11-20 20:45:16.809828');
INSERT INTO memgpt_recall_memory_agent VALUES ('f772396a-95bc-4457-8190-fff5664ccc5e', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "heartbeat", "reason": "[This is an automated system message hidden from the user] Function called using request_heartbeat=true, returning control", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.812702');
INSERT INTO memgpt_recall_memory_agent VALUES ('9fc02c26-2782-493e-8928-d94f6142d4b3', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Tell.', 'gpt-4', NULL, '[{"id": "51b12ebe-4d94-4978-97eb-a88a5", "tool_call_type": "function", "function": {"arguments": "{\"message\": \"Bees! I will remember them.\"}", "name": "send_message"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.823163');
INSERT INTO memgpt_recall_memory_agent VALUES ('ba60618f-bab2-4f3b-bd7e-082e830aa83e', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": "None", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'send_message', 'null', '51b12ebe-4d94-4978-97eb-a88a5', NULL, NULL, NULL, '2026-11-20 20:45:16.823360');
INSERT INTO memgpt_recall_memory_agent VALUES ('6ff9b779-1484-4ffd-b0e7-1cdd09078c30', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "user_message", "message": "What animals do I keep?", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.833360');
INSERT INTO memgpt_recall_memory_agent VALUES ('960af781-3fcb-4913-8b56-cbf5a3e8d30d', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Look.', 'gpt-4', NULL, '[{"id": "54fb0f72-180a-48f5-9b31-9ccb2", "tool_call_type": "function", "function": {"arguments": "{\"query\": \"bees\", \"request_heartbeat\": true}", "name": "archival_memory_search"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.838327');
INSERT INTO memgpt_recall_memory_agent VALUES ('fcf97c08-e90e-4795-9294-0754899ee362', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "Failed", "message": "Error calling function archival_memory_search: Value is size 3: [''documents'', ''embeddings'', ''metadatas'']", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'archival_memory_search', 'null', '54fb0f72-180a-48f5-9b31-9ccb2', NULL, NULL, NULL, '2026-11-20 20:45:16.872313');
INSERT INTO memgpt_recall_memory_agent VALUES ('741b2fc6-e5e3-4607-88eb-daeff3f0d9c4', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'user', '{"type": "heartbeat", "reason": "[This is an automated system message hidden from the user] Function call failed, returning control", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.874973');
INSERT INTO memgpt_recall_memory_agent VALUES ('ecefe83d-d0e4-4c60-b64e-1000b2594f29', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'assistant', 'Answer.', 'gpt-4', NULL, '[{"id": "84255c81-1f13-4d4a-949a-8b582", "tool_call_type": "function", "function": {"arguments": "{\"message\": \"You keep bees in Bonn.\"}", "name": "send_message"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.882642');
INSERT INTO memgpt_recall_memory_agent VALUES ('8ced042f-b8dd-4a11-b29b-3fe36faab7f7', '00000000-0000-0000-0000-02fc00000001', 'c8f7f382-1d73-42b5-9c95-56b7cd3a9805', 'tool', '{"status": "OK", "message": "None", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'send_message', 'null', '84255c81-1f13-4d4a-949a-8b582', NULL, NULL, NULL, '2026-11-20 20:45:16.882846');
INSERT INTO memgpt_recall_memory_agent VALUES ('26a99360-ddf4-4c4c-b5eb-3aa87df9729c', '00000000-0000-0000-0000-02fc00000001', 'fd5cc789-55f1-4dcd-bb52-88c5b6e570b5', 'system', 'Second.
### Memory [last modified: 2026-11-20 08:45:16 PM UTC+0000]
0 previous messages between you and the user are stored in recall memory (use functions to access them)
0 total memories you created are stored in archival memory (use functions to access them)

Core memory shown below (limited in size, additional information stored in archival / recall memory):
<persona characters="12/500">
I am second.
</persona>
<human characters="0/500">

</human>', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.916782');
INSERT INTO memgpt_recall_memory_agent VALUES ('1af56674-2c5e-4dcd-b8b0-34be6a376338', '00000000-0000-0000-0000-02fc00000001', 'fd5cc789-55f1-4dcd-bb52-88c5b6e570b5', 'assistant', 'Bootup sequence complete. Persona activated. Testing messaging functionality.', 'gpt-4', NULL, '[{"id": "9da3184e-aa35-43f7-9dca-dd72618c53ab", "tool_call_type": "function", "function": {"name": "send_message", "arguments": "{\n  \"message\": \"More human than human is our motto.\"\n}"}}]', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.916791');
INSERT INTO memgpt_recall_memory_agent VALUES ('66dd7cf8-8bb8-4df1-95a1-279764bfadf9', '00000000-0000-0000-0000-02fc00000001', 'fd5cc789-55f1-4dcd-bb52-88c5b6e570b5', 'tool', '{"status": "OK", "message": null, "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', 'send_message', 'null', '9da3184e-aa35-43f7-9dca-dd72618c53ab', NULL, NULL, NULL, '2026-11-20 20:45:16.916796');
INSERT INTO memgpt_recall_memory_agent VALUES ('13765c92-10cb-4cb4-bc69-2dbd010f270d', '00000000-0000-0000-0000-02fc00000001', 'fd5cc789-55f1-4dcd-bb52-88c5b6e570b5', 'user', '{"type": "login", "last_login": "Never (first login)", "time": "2026-11-20 08:45:16 PM UTC+0000"}', 'gpt-4', NULL, 'null', NULL, NULL, NULL, NULL, '2026-11-20 20:45:16.916800');
