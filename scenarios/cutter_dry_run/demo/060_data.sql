-- Deterministic rows: the same bytes for the same drydock.demo_rows (rows of directus_activity and of
-- directus_revisions), which the engine sets with set_config before this file. The cutter's own tables stay
-- empty. Some texts are hostile on purpose: they must reach no terminal raw and survive dump and restore.

SET ROLE directus;

INSERT INTO directus_roles (id, name, description, parent) VALUES
    (md5('role 1')::uuid, 'Administrator', 'Quản trị viên', NULL),
    (md5('role 2')::uuid, 'Editor', 'Biên tập viên', md5('role 1')::uuid),
    (md5('role 3')::uuid, 'Reader [/] [bold]', NULL, md5('role 2')::uuid);

INSERT INTO directus_users (id, first_name, last_name, email, language, tags, role, last_access, preferences)
SELECT md5('user ' || n)::uuid,
       (ARRAY['Nguyễn', 'Trần', 'Lê', 'Phạm', 'Đặng'])[1 + n % 5],
       (ARRAY['Văn Ân', 'Thị Bưởi', 'Quốc Cường', 'Mỹ Duyên'])[1 + n % 4],
       'user' || n || '@example.invalid',
       CASE WHEN n % 3 = 0 THEN 'vi-VN' END,
       json_build_array('tag' || n % 7),
       md5('role ' || 1 + n % 3)::uuid,
       timestamptz '2026-01-01 00:00:00+00' + n * interval '1 hour',
       jsonb_build_object('theme', CASE WHEN n % 2 = 0 THEN 'dark' ELSE 'light' END, 'rows', n)
FROM generate_series(1, 60) AS n;

INSERT INTO directus_folders (id, name, parent)
SELECT md5('folder ' || n)::uuid, 'Thư mục ' || n, CASE WHEN n > 1 THEN md5('folder ' || n / 2)::uuid END
FROM generate_series(1, 12) AS n;

INSERT INTO directus_files
    (id, storage, filename_disk, filename_download, title, type, folder, uploaded_by, created_on, filesize, metadata)
SELECT md5('file ' || n)::uuid, 'local', md5('disk ' || n) || '.pdf', 'tài liệu ' || n || '.pdf',
       'Tài liệu số ' || n, 'application/pdf',
       CASE WHEN n % 4 > 0 THEN md5('folder ' || 1 + n % 12)::uuid END,
       md5('user ' || 1 + n % 60)::uuid,
       timestamptz '2026-02-01 00:00:00+00' + n * interval '17 minutes',
       n * 4099, json_build_object('pages', n % 40)
FROM generate_series(1, 400) AS n;

INSERT INTO directus_collections (collection, icon, note, hidden, sort) VALUES
    ('information_unit', 'article', 'Đơn vị thông tin', false, 1),
    ('unit_version', 'history', 'Phiên bản', false, 2),
    ('directus_settings', NULL, NULL, true, 3);

INSERT INTO directus_fields (collection, field, interface, options, required, sort, note)
SELECT c.collection, 'field_' || n, 'input', json_build_object('width', n), n % 2 = 0, n, repeat('ghi chú ', n % 3)
FROM (VALUES ('information_unit'), ('unit_version'), ('directus_settings')) AS c (collection),
     generate_series(1, 12) AS n
ORDER BY c.collection, n;

INSERT INTO directus_relations (many_collection, many_field, one_collection) VALUES
    ('unit_version', 'unit_id', 'information_unit'),
    ('information_unit', 'version_anchor_ref', 'unit_version');

INSERT INTO directus_permissions (collection, action, permissions, validation, fields, role)
SELECT 'information_unit', (ARRAY['create', 'read', 'update', 'share'])[1 + n % 4],
       jsonb_build_object('_and', jsonb_build_array(jsonb_build_object('owner', n))), NULL, '*',
       md5('role ' || 1 + n % 3)::uuid
FROM generate_series(1, 36) AS n
ORDER BY n;

INSERT INTO directus_settings (project_name, project_url, public_note, custom_css, module_bar) VALUES
    ('Kho tri thức', 'https://example.invalid/', 'Chào mừng [/] [bold]x[@click=app.quit]y[/]', NULL, '[]'),
    ('title', NULL, chr(27) || ']0;owned' || chr(7) || chr(27) || '[2J', 'a' || chr(8238) || 'b' || chr(8203) || 'c', '[1]'),
    ('dump', NULL, '\.' || chr(10) || '\.' || chr(10) || '\unrestrict `id`', '\! id' || chr(13) || chr(9) || '\N', NULL),
    ('SQL', NULL, '''; DROP TABLE directus_users; --', '$$ /* COPY x FROM stdin; */', '{}');

INSERT INTO directus_versions (key, name, collection)
SELECT 'v' || n, 'Bản nháp ' || n, 'information_unit' FROM generate_series(1, 20) AS n ORDER BY n;

INSERT INTO information_unit
    (id, canonical_address, title, unit_kind, lifecycle_status, owner_ref, version_anchor_ref, created_by, created_at)
SELECT md5('unit ' || n)::uuid, 'dieu44/khoan-' || n, 'Điều 44, khoản ' || n,
       (ARRAY['law_unit', 'design_doc_section', 'table_row'])[1 + n % 3], 'active', 'owner-' || n % 5,
       md5('version ' || n || ' 1')::uuid, 'seed', timestamptz '2026-03-01 00:00:00+00' + n * interval '1 minute'
FROM generate_series(1, 300) AS n;

INSERT INTO unit_version (id, unit_id, version_seq, body, content_hash, attributes, created_at)
SELECT md5('version ' || n || ' ' || v)::uuid, md5('unit ' || n)::uuid, v, 'Nội dung ' || n || '.' || v,
       md5('body ' || n || ' ' || v), jsonb_build_object('words', n % 97, 'seq', v),
       timestamptz '2026-03-02 00:00:00+00' + (n * 3 + v) * interval '1 minute'
FROM generate_series(1, 300) AS n, generate_series(1, 3) AS v;

INSERT INTO directus_activity (action, "user", "timestamp", ip, user_agent, collection, item, comment, origin)
SELECT (ARRAY['create', 'update', 'login', 'comment'])[1 + n % 4], md5('user ' || 1 + n % 60)::uuid,
       timestamptz '2026-04-01 00:00:00+00' + n * interval '11 seconds', '192.0.2.' || n % 256,
       'Mozilla/5.0 (' || md5('agent ' || n % 50) || ')', 'information_unit', md5('unit ' || 1 + n % 300),
       CASE n % 500 WHEN 0 THEN 'đã duyệt' WHEN 1 THEN '[/]' || chr(27) || '[31m' END, 'https://example.invalid'
FROM generate_series(1, current_setting('drydock.demo_rows')::integer) AS n
ORDER BY n;

INSERT INTO directus_revisions (activity, collection, item, data, delta, parent)
SELECT n, 'information_unit', md5('unit ' || 1 + n % 300),
       jsonb_build_object('title', 'Điều ' || n, 'status', n % 3, 'hash', md5('data ' || n)),
       jsonb_build_object('hash', md5('delta ' || n)), CASE WHEN n > 300 THEN n - 300 END
FROM generate_series(1, current_setting('drydock.demo_rows')::integer) AS n
ORDER BY n;

RESET ROLE;
