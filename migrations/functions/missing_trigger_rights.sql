-- What check_queue_is_writable() finds out as the role itself, and every function that a trigger function calls.
create or replace function autoembed.missing_trigger_rights(role oid) returns text[]
language sql stable strict
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(m.needed order by m.n, m.needed), '{}') from (
    select 1 as n, 'usage on schema autoembed' as needed where not has_schema_privilege(role, 'autoembed', 'usage')
    union all
    select 2, format('%s on autoembed.%s', string_agg(p.privilege, ', '), t.name)
    from (values
      ('embedding_cache', '{select,update,delete}'::text[]),
      ('embedding_ledger', '{select,insert,update,delete}'),
      ('embedding_listener', '{select}'),
      ('embedding_queue', '{select,insert,update,delete}')) t(name, privileges), unnest(t.privileges) p(privilege)
    where not has_table_privilege(role, to_regclass('autoembed.' || t.name), p.privilege) group by t.name
    union all
    select 3, 'usage on sequence autoembed.embedding_ticket'
    where not has_sequence_privilege(role, to_regclass('autoembed.embedding_ticket'), 'usage')
    union all
    select 4, format('execute on function %s', f.oid::regprocedure) from pg_proc f
    where f.pronamespace = 'autoembed'::regnamespace and f.proname in (
        'changed_keys_sql', 'change_key', 'check_queue_is_writable', 'column_names', 'current_key_sql',
        'gone_keys_sql', 'hides_rows', 'is_watched', 'key_sql', 'move_ledger', 'policies_hide', 'primary_key',
        'written_keys_sql')
      and not has_function_privilege(role, f.oid, 'execute')
    union all
    select 5, 'a policy on autoembed.embedding_queue for all rows'
    from pg_class c join pg_roles r on r.oid = role
    where c.oid = to_regclass('autoembed.embedding_queue') and c.relrowsecurity
      and not r.rolsuper and not r.rolbypassrls
      and (c.relforcerowsecurity or not pg_has_role(role, c.relowner, 'usage'))
      and autoembed.policies_hide(c.oid, '{r,a,w,d}', role)
  ) m
$$;
comment on function autoembed.missing_trigger_rights is
  'What a role lacks to be the owner of trigger functions, as in a grant: without it what these see is not queued.';
