--! Previous: sha1:b5d2c57b3e51b935b57a922a7de6e6a4233e77d7
--! Hash: sha1:03b751d0817dd05cfb630f49124627159447d99b
--! Message: watch

-- embed_watch() writes, for one table, trigger functions of static SQL (so that their plans are kept) and the
-- triggers that call them. Every identifier goes through format('%I'); every function runs as its owner with a
-- pinned search_path, and nobody else may attach one to a table of theirs.

-- The key of a row as SQL text: a single column as text, several as a JSON array of texts.
create function public.embed_key_sql(row_alias text, key_columns text[]) returns text
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  -- In the queue's own collation, whatever the column's, so that the queue is looked into by its index.
  select case
    when cardinality(key_columns) = 1 then format('(%s.%I::text collate "default")', row_alias, key_columns[1])
    else format('jsonb_build_array(%s)::text',
      (select string_agg(format('%s.%I::text', row_alias, c), ', ' order by n)
       from unnest(key_columns) with ordinality as k(c, n)))
  end
$$;
comment on function public.embed_key_sql is 'SQL for the queue''s key of the row row_alias.';

create function public.embed_primary_key(watched_table regclass) returns text[]
language sql stable strict set search_path = pg_catalog, pg_temp as $$
  select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
  from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey::int2[])
  where i.indrelid = watched_table and i.indisprimary
$$;
comment on function public.embed_primary_key is 'The columns of the primary key, as they are called now; null where there is none.';

-- A key column may be renamed under a trigger function that names it. A user's write must not fail for that, and
-- must not go unqueued: the function then asks what its columns are called now. A table that was restored from a dump may
-- number them otherwise and has another oid; then it is the primary key.
create function public.embed_current_key_sql(row_alias text, watched_table oid, key_numbers int2[], relation oid) returns text
language sql stable strict set search_path = pg_catalog, pg_temp as $$
  select public.embed_key_sql(row_alias, coalesce(
    (select array_agg(a.attname::text order by array_position(key_numbers, a.attnum)) from pg_attribute a
     where a.attrelid = watched_table and a.attnum = any(key_numbers) and not a.attisdropped
     having count(*) = cardinality(key_numbers)),
    public.embed_primary_key(relation)))
$$;
comment on function public.embed_current_key_sql is 'embed_key_sql() for the key as it is called now; null where the table has none any more.';

create function public.embed_check_table(watched_table regclass) returns void
language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
declare
  relation pg_class;
begin
  select * into relation from pg_class where oid = watched_table;
  if relation.relpersistence = 't' then
    raise exception '% is a temporary table', watched_table
      using hint = 'Only its own session sees it. Watch a permanent table.', errcode = 'wrong_object_type';
  end if;
  if relation.relkind not in ('r', 'p') then
    raise exception '% is %', watched_table, case relation.relkind
        when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table' else 'not a table' end
      using hint = 'Triggers need a table. Watch the table behind it.', errcode = 'wrong_object_type';
  end if;
  if relation.relnamespace = 'pg_catalog'::regnamespace
    or (relation.relnamespace = 'public'::regnamespace
        and relation.relname in ('embedding_source', 'embedding_queue', 'embedding_cache', 'embedding_reservation',
          'embedding_listener', 'embedding_usage')) then
    raise exception '% cannot be watched', watched_table
      using hint = 'It belongs to Postgres or to pg-autoembed.', errcode = 'wrong_object_type';
  end if;
end
$$;
comment on function public.embed_check_table is 'Raises, with what to do, unless the table can carry triggers.';

create function public.embed_check_key(watched_table regclass, key_columns text[]) returns void
language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
declare
  missing text;
  numbers int2[];
begin
  select c into missing from unnest(key_columns) c
  where not exists (select from pg_attribute a where a.attrelid = watched_table and a.attname = c and a.attnum > 0 and not a.attisdropped);
  if missing is not null then
    raise exception 'table % has no column %', watched_table, quote_ident(missing)
      using hint = 'Name the key''s columns as the table spells them.', errcode = 'undefined_column';
  end if;
  select array_agg(attnum order by attnum) into numbers from pg_attribute
  where attrelid = watched_table and attname = any(key_columns) and not attisdropped;
  if exists (select from pg_attribute where attrelid = watched_table and attnum = any(numbers) and not attnotnull)
    or not exists (
      select from pg_index i
      where i.indrelid = watched_table and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ numbers)
  then
    raise exception 'the key (%) of % is not unique and not null', array_to_string(key_columns, ', '), watched_table
      using hint = 'Name a primary key, or columns that are NOT NULL and have a unique index.', errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function public.embed_check_key is 'Raises, with what to do, unless the columns tell one row from another.';

create function public.embed_key_is_immediate(watched_table regclass, key_columns text[]) returns boolean
language sql stable strict set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from pg_index i
    where i.indrelid = watched_table and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
      and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ (
        select array_agg(a.attnum) from pg_attribute a where a.attrelid = watched_table and a.attname = any(key_columns) and not a.attisdropped))
$$;
comment on function public.embed_key_is_immediate is 'Whether no two rows can have one key even within a transaction: false where its constraint is deferrable.';

create function public.embed_check_text(watched_table regclass, text_expression text) returns void
language plpgsql strict set search_path = pg_catalog, pg_temp as $$
declare
  tree text;
  culprit regprocedure;
begin
  begin
    execute format('select (%s)::text from %s limit 0', text_expression, watched_table::text);
  exception when syntax_error or undefined_column or undefined_function or grouping_error then
    raise exception 'the text % is neither a column of % nor an expression over its columns: %', quote_literal(text_expression), watched_table, sqlerrm
      using hint = 'Quote it as SQL does; qualify functions that are not Postgres''s own with their schema.', errcode = sqlstate;
  end;
  begin
    -- What an expression calls is told by the rule of a view. A temporary one is seen by nobody, and gone at once.
    execute format('create temporary view embed_text_probe as select (%s)::text collate "default" from %s', text_expression, watched_table::text);
    select r.ev_action::text into tree from pg_rewrite r where r.ev_class = 'pg_temp.embed_text_probe'::regclass;
    drop view pg_temp.embed_text_probe;
  exception when insufficient_privilege then
    return;  -- who may make no temporary view is trusted
  end;
  if tree ~ '\{(SUBLINK|AGGREF|WINDOWFUNC)\M' or tree like '%:funcretset true%' then
    raise exception 'the text % is not made of one row alone', quote_literal(text_expression)
      using hint = 'A subquery, an aggregate or a set changes without the row, and nobody would notice. Keep what it gives in a column.',
        errcode = 'invalid_object_definition';
  end if;
  select f.oid into culprit
  from regexp_matches(tree, ':(?:op)?funcid (\d+)', 'g') m join pg_proc f on f.oid = m[1]::oid
  where f.provolatile = 'v'
    or f.pronamespace = 'pg_catalog'::regnamespace and (f.proname = 'age' and f.pronargs = 1 or f.proname in (
      'now', 'transaction_timestamp', 'statement_timestamp', 'current_setting', 'current_database', 'current_schema', 'current_schemas',
      'inet_client_addr', 'inet_client_port', 'pg_backend_pid', 'pg_current_snapshot', 'txid_current_snapshot', 'getpgusername'))
  limit 1;
  if culprit is not null or tree ~ '\{SQLVALUEFUNCTION\M' then
    raise exception 'the text % is another each time it is computed: it calls %', quote_literal(text_expression),
        coalesce(culprit::text, 'a function of the time or the session')
      using hint = format('It would be embedded, and paid for, again and again. Use what the row holds.%s', ' If the function is yours, and gives the same for the same row: alter function '
          || case when culprit is not null and (select pronamespace <> 'pg_catalog'::regnamespace from pg_proc where oid = culprit) then culprit::text end || ' stable;'),
        errcode = 'invalid_object_definition';
  end if;
end
$$;
comment on function public.embed_check_text is 'Raises, with what to do, unless the text is made of one row of the table alone, and the same whenever it is computed.';

create function public.embed_check_vector_table(vector_table regclass, watched_table regclass, key_columns text[], vector_column text, in_passages boolean) returns void
language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
declare
  keys constant text := (select string_agg(quote_ident(c), ', ' order by n) from unnest(key_columns) with ordinality as k(c, n));
  passage_columns constant text[] := case when in_passages then array['passage_id', 'chunk', 'start_char', 'end_char', 'passage'] else '{}' end;
  wrong text;
  numbers int2[];
begin
  if vector_table = watched_table or (select relkind not in ('r', 'p') from pg_class where oid = vector_table) then
    raise exception '% is no table that can hold the vectors of %', vector_table, watched_table
      using hint = 'Name a table that is theirs alone; npm run watch makes it where it is missing.', errcode = 'wrong_object_type';
  end if;
  select format('%I %s', w.attname, format_type(w.atttypid, w.atttypmod)) into wrong from pg_attribute w
  where w.attrelid = watched_table and w.attname = any(key_columns) and not exists (
    select from pg_attribute v where v.attrelid = vector_table and v.attname = w.attname and v.atttypid = w.atttypid and not v.attisdropped);
  if wrong is not null then
    raise exception 'table % has no key column %, as % has', vector_table, wrong, watched_table
      using hint = format('Its key has the same names and types: alter table %s add column %s; or rename the column that it has.', vector_table, wrong),
        errcode = 'undefined_column';
  end if;
  select string_agg(c, ', ' order by n) into wrong from unnest(passage_columns) with ordinality as w(c, n)
  where not exists (select from pg_attribute a where a.attrelid = vector_table and a.attname = c and not a.attisdropped
      and a.atttypid = case c when 'passage_id' then 'int8'::regtype when 'passage' then 'text'::regtype else 'int4'::regtype end)
    or c = any(key_columns);
  if in_passages and (wrong is not null or public.embed_primary_key(vector_table) is distinct from array['passage_id']) then
    raise exception 'table % cannot hold passages', vector_table
      using hint = format('It has the key (%s) beside passage_id bigint generated always as identity primary key, chunk int, start_char int, end_char int and passage text. npm run watch makes it where it is missing: name another, or drop it.', keys),
        errcode = 'invalid_table_definition';
  end if;
  select array_agg(attnum order by attnum) into numbers from pg_attribute
  where attrelid = vector_table and attname = any(key_columns) and not attisdropped;
  if not in_passages and not exists (
    select from pg_index i where i.indrelid = vector_table and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
      and (i.indkey::int2[])[0:i.indnkeyatts - 1] @> numbers and (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ numbers)
  then
    raise exception 'the key (%) of % is not unique', keys, vector_table
      using hint = format('alter table %s add primary key (%s);', vector_table, keys), errcode = 'invalid_table_definition';
  end if;
  if not exists (
    select from pg_constraint f where f.contype = 'f' and f.conrelid = vector_table and f.confrelid = watched_table
      and f.confdeltype = 'c' and f.confupdtype = 'c' and f.conkey @> numbers and f.conkey <@ numbers
      and array(select a.attname::text from unnest(f.conkey) with ordinality k(c, n) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.c order by k.n)
        = array(select a.attname::text from unnest(f.confkey) with ordinality k(c, n) join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.c order by k.n))
  then
    raise exception 'table % does not follow the rows of % that are deleted or get another key', vector_table, watched_table
      using hint = format('alter table %1$s add foreign key (%2$s) references %3$s (%2$s) on delete cascade on update cascade;', vector_table, keys, watched_table),
        errcode = 'invalid_table_definition';
  end if;
  select quote_ident(v.attname) into wrong from pg_attribute v
  where v.attrelid = vector_table and v.attnum > 0 and not v.attisdropped and v.attnotnull and not v.atthasdef and v.attidentity = ''
    and v.attname <> vector_column and v.attname <> all(key_columns || passage_columns);
  if wrong is not null then
    raise exception 'column % of % is NOT NULL and has no default, so no vector could be put there', wrong, vector_table
      using hint = format('alter table %s alter column %s drop not null;', vector_table, wrong), errcode = 'invalid_table_definition';
  end if;
end
$$;
comment on function public.embed_check_vector_table is 'Raises, with what to do, unless the table can hold the vectors of a watched one: its key, unique but for passages, with a foreign key that cascades.';

create function public.embed_hides_rows(watched_table oid, commands "char"[] default '{r,w}') returns boolean
language sql stable strict set search_path = pg_catalog, pg_temp as $$
  select row_security_active(watched_table) and exists (
    select from unnest(commands) c(command) where not coalesce((
      select bool_or(p.polpermissive and p.shows_all) and bool_or(p.polpermissive and p.takes_all)
        and bool_and(p.polpermissive or (p.shows_all and p.takes_all))
      from (
        select polpermissive, command = 'a' or pg_get_expr(polqual, polrelid) = 'true' as shows_all,
          command in ('r', 'd') or pg_get_expr(coalesce(polwithcheck, polqual), polrelid) = 'true' as takes_all
        from pg_policy
        where polrelid = watched_table and polcmd in ('*', command)
          and (polroles = '{0}' or exists (select from unnest(polroles) r where pg_has_role(r, 'usage')))
      ) p), false))
$$;
comment on function public.embed_hides_rows is 'Whether row-level security may hide rows of the table from whoever asks, or keep vectors from being written, by commands as pg_policy.polcmd writes them. A hidden row must not be taken for a deleted one.';

create function public.embed_may_alter(written oid) returns boolean
language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
begin
  -- tgtype: 1 each row, 2 before, 4 insert, 16 update.
  return exists (
    with recursive tables(oid) as (
      select written union all select i.inhrelid from pg_inherits i join tables t on i.inhparent = t.oid)
    select from pg_trigger g join tables t on g.tgrelid = t.oid
    where g.tgtype & 3 = 3 and g.tgtype & 20 <> 0 and g.tgenabled <> 'D' and not g.tgisinternal);
end
$$;
comment on function public.embed_may_alter is 'Whether a trigger may change, or refuse in silence, what is written to the table or a partition of it.';

create function public.embed_install_triggers(source public.embedding_source) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $install$
declare
  watched constant text := source.watched_table::text;
  -- An insert through a table that is partitioned fires the statements' triggers of that table alone, and no partition's.
  by_row constant boolean := (select relkind = 'p' or relispartition from pg_class where oid = source.watched_table);
  is_column constant boolean := exists (
    select from pg_attribute a where a.attrelid = source.watched_table and a.attnum > 0 and not a.attisdropped
      and quote_ident(a.attname) = source.text_expression and a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype));
  key_joined constant text := (
    select string_agg(format('t.%1$I = o.%1$I', c), ' and ') from unnest(source.key_columns) c);
  key_changed constant text := (
    select string_agg(format('old.%1$I is distinct from new.%1$I', c), ' or ') from unnest(source.key_columns) c);
  -- A row that arrives with a vector is taken as embedded, whoever embedded it; one with a blank text must lose it. In
  -- a table of their own no vector can be there before its row.
  no_vector constant text := case when source.vector_table is null then format('n.%I is null', source.vector_column) else 'true' end;
  -- The column's own collation may be one that no regular expression takes, or that takes two texts for equal.
  content constant text := format('((%s)::text collate "default")', source.text_expression);
  -- A first character of ASCII that is seen settles it, for a tenth of what a regular expression costs (0.9 us a text of 600
  -- characters). That raises on a text of some 256 million characters: of a very long one the beginning is looked at first.
  needs_vector constant text := format($$(%1$s) = coalesce(case when ascii(%2$s) between 33 and 126 then true
    when octet_length(%2$s) > 1000000 and left(%2$s, 1000) ~ '\S' then true else %2$s ~ '\S' end, false)$$, no_vector, content);
  requeue constant text := 'on conflict (source_id, key) do update set ticket = excluded.ticket, queued_at = excluded.queued_at, '
    'not_before = excluded.not_before, failed_at = null, owner = null, attempts = 0, last_error = null';
  -- While a key that is checked at the end of a transaction is not, two rows may have it; the queue has it once.
  queued_rows constant text := case when public.embed_key_is_immediate(source.watched_table, source.key_columns) then 'select' else 'select distinct' end;
  -- NOTIFY takes a server-wide lock at commit, so it is sent only when a listener may be asleep. A transaction whose
  -- snapshot is older than its statement cannot see whether one is, and always sends.
  wake constant text := format($$perform pg_notify('embedding_queue', %L)
    where current_setting('transaction_isolation') <> 'read committed'
      or exists (select from public.embedding_listener where idle);$$, source.id);
  -- What a key looks like as text must not hang on the settings of whoever writes the row.
  -- An expression may raise for a row. The user's write must not: the row is queued, and the claim finds out.
  insert_probe constant text := case when is_column then 'perform from new_rows n where true or %1$s and %2$s is null offset 63 limit 1;'
    else 'perform bool_or(%1$s), max(%2$s) from new_rows n having count(*) > 63;' end;
  same_text constant text := case when exists (
      select from pg_attribute a where a.attrelid = source.watched_table and a.attname = any(source.key_columns) and a.atttypid not in (
        'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'bool'::regtype, 'uuid'::regtype,
        'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype))
    then $$set datestyle = 'ISO, MDY' set timezone = 'UTC' set intervalstyle = 'postgres' set bytea_output = 'hex' set extra_float_digits = 1 $$
    else '' end;
  numbered_key constant text := (
    select format('%s::oid, %L::int2[]', source.watched_table::oid, array_agg(a.attnum order by k.n))
    from unnest(source.key_columns) with ordinality as k(c, n)
    join pg_attribute a on a.attrelid = source.watched_table and a.attname = k.c and not a.attisdropped);
  header constant text := ' returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp ' || same_text || 'as %L';
  body text;
  name text;
begin
  -- Rows that came in. The probe fails, before anything is written, when a column was renamed, and finds out whether they
  -- are many. It looks at no column of a row, unless an expression may raise for one.
  body := format($$
    #variable_conflict use_column
    begin
      begin
        %6$s
      exception when syntax_error_or_access_rule_violation then
        -- Without a key no row has a name. The source is in trouble, and watching it again looks at every row.
        execute coalesce('insert into public.embedding_queue (source_id, key) select distinct %1$s, '
          || public.embed_current_key_sql('n', %9$s, tg_relid) || ' from new_rows n %3$s', 'select');
        %5$s
        return null;
      when others then
        insert into public.embedding_queue (source_id, key) %8$s %1$s, %2$s from new_rows n where %7$s %3$s;
        if found then %5$s end if;
        return null;
      end;
      -- A plain insert costs a large statement a quarter less than "on conflict", and fails when a key is queued already.
      -- It takes a subtransaction, of which Postgres keeps 64 a transaction at hand: with more, every session is slower. So
      -- only the first eight such statements of a transaction have one; whatever the setting was before, it is a mark each.
      if found and length(coalesce(current_setting('pg_autoembed.plain_inserts', true), '')) < 8 then
        perform set_config('pg_autoembed.plain_inserts', coalesce(current_setting('pg_autoembed.plain_inserts', true), '') || '+', true);
        begin
          insert into public.embedding_queue (source_id, key) %8$s %1$s, %2$s from new_rows n where %4$s;
          if found then %5$s end if;
          return null;
        exception when unique_violation then
          null;  -- and inserted below
        end;
      end if;
      insert into public.embedding_queue (source_id, key) %8$s %1$s, %2$s from new_rows n where %4$s %3$s;
      if found then %5$s end if;
      return null;
    end $$, source.id, public.embed_key_sql('n', source.key_columns), requeue, needs_vector, wake,
    format(insert_probe, needs_vector, public.embed_key_sql('n', source.key_columns)), no_vector, queued_rows, numbered_key);
  execute format('create or replace function public.embed_source_%s_insert()' || header, source.id, body);

  -- One row, in (partitioned tables have no transition tables for their partitions' own inserts) or changed.
  -- When its key changed both keys are queued: whichever row now answers to one is looked at again.
  body := format($$
    #variable_conflict use_column
    declare
      new_key text;
      old_key text;
    begin
      begin
        %6$s
        new_key := %2$s;
        old_key := case when tg_op = 'UPDATE' then %3$s end;
      exception when syntax_error_or_access_rule_violation then
        execute 'select ' || coalesce(public.embed_current_key_sql('($1)', %7$s, tg_relid), 'null') into new_key using new;
        if new_key is null then
          return null;
        end if;
        old_key := new_key;
      when others then
        new_key := %2$s;
        old_key := case when tg_op = 'UPDATE' then %3$s end;
      end;
      insert into public.embedding_queue (source_id, key) values (%1$s, new_key) %4$s;
      if old_key <> new_key then
        insert into public.embedding_queue (source_id, key) values (%1$s, old_key) %4$s;
      end if;
      %5$s
      return null;
    end $$, source.id, public.embed_key_sql('new', source.key_columns), public.embed_key_sql('old', source.key_columns),
    requeue, wake, case when is_column then '' else format(
      $$if tg_op = 'UPDATE' and not (%1$s) and (select (%2$s)::text collate "C" from (select old.*) t) is not distinct from (select (%2$s)::text collate "C" from (select new.*) t) then
        return null;
      end if;$$, key_changed, source.text_expression) end, numbered_key);
  execute format('create or replace function public.embed_source_%s_row()' || header, source.id, body);

  -- A deleted row leaves the queue at once, unless the same statement put another row in its place.
  body := format($$
    begin
      delete from public.embedding_queue q using %2$s o
      where q.source_id = %1$s and q.key = %3$s
        and not exists (select from %4$s t where %5$s) and not row_security_active(%6$s::oid);
      return null;
    exception when syntax_error_or_access_rule_violation then
      return null;  -- the table was renamed, or what is known of it: the drain drops a queue row that has no row any more
    end $$, source.id, case when by_row then '(select old.*)' else 'old_rows' end,
    public.embed_key_sql('o', source.key_columns), watched, key_joined, source.watched_table::oid);
  execute format('create or replace function public.embed_source_%s_delete()' || header, source.id, body);

  body := format($$
    begin
      delete from public.embedding_queue where source_id = %1$s;
      return null;
    end $$, source.id);
  execute format('create or replace function public.embed_source_%s_truncate()' || header, source.id, body);

  foreach name in array array['insert', 'row', 'delete', 'truncate'] loop
    execute format('revoke all on function public.embed_source_%s_%s() from public', source.id, name);
  end loop;

  perform public.embed_drop_triggers(source);
  if by_row then
    execute format('create trigger embed_%1$s_insert after insert on %2$s for each row execute function public.embed_source_%1$s_row()', source.id, watched);
    execute format('create trigger embed_%1$s_delete after delete on %2$s for each row execute function public.embed_source_%1$s_delete()', source.id, watched);
  else
    execute format('create trigger embed_%1$s_insert after insert on %2$s referencing new table as new_rows for each statement execute function public.embed_source_%1$s_insert()', source.id, watched);
    execute format('create trigger embed_%1$s_delete after delete on %2$s referencing old table as old_rows for each statement execute function public.embed_source_%1$s_delete()', source.id, watched);
  end if;
  -- Not "update of": a BEFORE trigger may change the text in an update that does not name it.
  execute format('create trigger embed_%1$s_update after update on %2$s for each row when (%3$s or %4$s) execute function public.embed_source_%1$s_row()',
    source.id, watched, key_changed, case when is_column then format('old.%1$s collate "C" is distinct from new.%1$s collate "C"', source.text_expression) else 'old.* *<> new.*' end);
  execute format('create trigger embed_%1$s_truncate after truncate on %2$s for each statement execute function public.embed_source_%1$s_truncate()', source.id, watched);
end
$install$;
comment on function public.embed_install_triggers is 'Writes the trigger functions of a source and attaches them. Used by embed_watch().';

create function public.embed_drop_triggers(source public.embedding_source) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  trigger_name text;
begin
  for trigger_name in
    select tgname from pg_trigger
    where tgrelid = source.watched_table and tgparentid = 0 and not tgisinternal
      and tgname in (select format('embed_%s_%s', source.id, event) from unnest(array['insert', 'update', 'delete', 'truncate']) event)
  loop
    execute format('drop trigger %I on %s', trigger_name, source.watched_table::text);
  end loop;
end
$$;
comment on function public.embed_drop_triggers is 'Takes the triggers of a source off its table, where it still is.';

create function public.embed_requeue(before public.embedding_source, source public.embedding_source, unseen boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp set datestyle = 'ISO, MDY' set timezone = 'UTC' set intervalstyle = 'postgres'
set bytea_output = 'hex' set extra_float_digits = 1 as $requeue$
declare
  -- Out of the way of the new ones. Every ticket changes, so that whoever has claimed under the old definition settles nothing.
  parked constant integer := -source.id;
  watched constant text := source.watched_table::text;
  new_key constant text := public.embed_key_sql('t', source.key_columns);
  old_key constant text := public.embed_key_sql('t', before.key_columns);
begin
  if before.watched_table <> source.watched_table then
    delete from public.embedding_queue where source_id = source.id;
    return;
  end if;
  update public.embedding_queue set source_id = parked where source_id = source.id;
  if before.key_columns = source.key_columns then
    insert into public.embedding_queue (source_id, key, queued_at)
    select source.id, q.key, q.queued_at from public.embedding_queue q where q.source_id = parked order by q.ticket;
  elsif not exists (
    select from unnest(before.key_columns) c
    where not exists (select from pg_attribute a where a.attrelid = source.watched_table and a.attname = c and not a.attisdropped))
  then
    execute format('insert into public.embedding_queue (source_id, key, queued_at)
      select $1, %s, q.queued_at from public.embedding_queue q join %s t on %s = q.key where q.source_id = $2 order by q.ticket',
      new_key, watched, old_key) using source.id, parked;
  else
    -- A column that was only renamed has left the keys as they are. Where it was dropped nobody knows any more which rows
    -- they were, nor what was changed since: all are looked at, and those that have not changed are found in the cache.
    execute format('insert into public.embedding_queue (source_id, key, queued_at)
      select $1, q.key, q.queued_at from public.embedding_queue q join %s t on %s = q.key where q.source_id = $2 order by q.ticket',
      watched, new_key) using source.id, parked;
    if unseen or exists (
      select from public.embedding_queue q
      where q.source_id = parked and not exists (select from public.embedding_queue n where n.source_id = source.id and n.key = q.key))
    then
      execute format('insert into public.embedding_queue (source_id, key) select $1, %s from %s t on conflict (source_id, key) do nothing',
        new_key, watched) using source.id;
    end if;
  end if;
  delete from public.embedding_queue where source_id = parked;
end
$requeue$;
comment on function public.embed_requeue is 'Makes what is pending or failed of a source that was changed pending anew, under the keys that it has now; unseen says that changes may have gone unqueued. Used by embed_watch().';

create function public.embed_watch(
  watched_table regclass,
  text_expression text,
  key_columns text[] default null,
  vector_column text default 'embedding',
  source_name text default null,
  backend text default null,
  model text default null,
  dimensions integer default null,
  settings jsonb default '{}',
  vector_table regclass default null,
  passages jsonb default null
) returns public.embedding_source
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  source public.embedding_source;
  before public.embedding_source;
  keys text[] := coalesce(key_columns, public.embed_primary_key(watched_table));
  receiver constant regclass := coalesce(vector_table, watched_table);
  expression text;
  chosen_name text;
  taken_by text;
  unseen boolean;
begin
  if watched_table is null or text_expression is null then
    raise exception 'embed_watch() needs a table and a text' using errcode = 'null_value_not_allowed';
  end if;
  perform public.embed_check_table(watched_table);
  if keys is null then
    raise exception '% has no primary key', watched_table
      using hint = 'Name columns that are NOT NULL and have a unique index as its key.', errcode = 'invalid_table_definition';
  end if;
  perform public.embed_check_key(watched_table, keys);

  select quote_ident(a.attname) into expression from pg_attribute a
  where a.attrelid = watched_table and a.attname = text_expression and a.attnum > 0 and not a.attisdropped;
  expression := coalesce(expression, text_expression);
  if exists (select from pg_attribute a where a.attrelid = watched_table and a.attgenerated = 'v' and quote_ident(a.attname) = expression) then
    raise exception '% is a virtual generated column, whose value triggers do not see', expression
      using hint = 'Make it stored, or watch its expression.', errcode = 'wrong_object_type';
  end if;
  perform public.embed_check_text(watched_table, expression);

  perform public.embed_check_vector_table(vector_table, watched_table, keys, vector_column, passages is not null);
  if not exists (
    select from pg_attribute a join pg_type y on y.oid = a.atttypid
    where a.attrelid = receiver and a.attname = vector_column and not a.attisdropped and y.typname in ('vector', 'halfvec'))
  then
    raise exception 'table % has no column % of type vector or halfvec', receiver, quote_ident(vector_column)
      using hint = format('alter table %s add column %I vector(1536);', receiver, vector_column), errcode = 'undefined_column';
  end if;
  if exists (select from pg_attribute where attrelid = receiver and attname = vector_column and attgenerated <> '') then
    raise exception 'column % of % is generated: no vector can be written to it', quote_ident(vector_column), receiver
      using hint = 'Name another column for the vectors, which need nobody to make them any more.', errcode = 'wrong_object_type';
  end if;
  -- In a table of their own a row without a vector is not there.
  if vector_table is null and exists (select from pg_attribute where attrelid = receiver and attname = vector_column and attnotnull) then
    raise exception 'column % of % is NOT NULL, and a row has no vector before it is embedded, nor without a text', quote_ident(vector_column), receiver
      using hint = format('alter table %s alter column %I drop not null;', receiver, vector_column), errcode = 'wrong_object_type';
  end if;

  chosen_name := coalesce(source_name, (
    select case c.relnamespace when 'public'::regnamespace then c.relname else c.relnamespace::regnamespace || '.' || c.relname end
    from pg_class c where c.oid = watched_table));
  select s.name into taken_by from public.embedding_source s
  where s.name <> chosen_name and coalesce(s.vector_table, s.watched_table) = receiver and s.vector_column = embed_watch.vector_column
    and (s.passages is null) = (embed_watch.passages is null);  -- passages are written by one source, and their vectors by another
  if taken_by is not null then
    raise exception 'column % of % receives the vectors of the source % already', quote_ident(vector_column), receiver, quote_ident(taken_by)
      using hint = 'Name another column for these, or watch under that name to change the source.', errcode = 'duplicate_object';
  end if;
  select * into before from public.embedding_source s where s.name = chosen_name for update;
  -- Both models' vectors are of one text, and each is its own source's model: a change of one alone would mix them.
  if exists (select from public.embedding_source s where s.name in (chosen_name || '@next', chosen_name || '@previous') and s.watched_table = before.watched_table)
    and (before.watched_table, before.key_columns, before.text_expression, before.vector_column, before.vector_table, before.passages,
      before.backend, before.model, before.dimensions, before.settings)
    is distinct from (watched_table, keys, expression, vector_column, vector_table, passages, backend, model, dimensions, settings)
  then
    raise exception 'the model of % is being changed, and the source cannot be changed meanwhile', chosen_name
      using hint = format('End that first: npm run remodel -- %s --finish, or --cancel before its switch.', chosen_name), errcode = 'object_in_use';
  end if;
  -- Before anything is done to the table of the vectors: a user's delete holds this one when it comes down to those.
  if coalesce(vector_table, before.vector_table) is not null then
    execute format('lock table %s in %s mode', watched_table, case when before.id is null then 'share row exclusive' else 'access exclusive' end);
  end if;
  if before.watched_table <> watched_table then
    perform public.embed_drop_triggers(before);
  end if;
  -- The passages are embedded as any table's texts are. Those that they were in before are not kept true any more.
  if before.passages is not null and (passages is null or before.vector_table <> vector_table) then
    perform public.embed_unwatch(p.name) from public.embedding_source p where p.watched_table = before.vector_table;
  end if;
  if passages is not null then
    source := public.embed_watch(vector_table, 'passage', array['passage_id'], vector_column, null, backend, model, dimensions, settings);
    if source.name = chosen_name then
      raise exception 'the name % is that of the passages', quote_literal(chosen_name)
        using hint = 'Give the source another name.', errcode = 'duplicate_object';
    end if;
  end if;
  insert into public.embedding_source as s
    (name, watched_table, key_columns, text_expression, vector_column, vector_table, passages, backend, model, dimensions, settings)
  values (chosen_name, watched_table, keys, expression, vector_column, vector_table, passages, backend, model, dimensions, settings)
  on conflict (name) do update set
    watched_table = excluded.watched_table, key_columns = excluded.key_columns, text_expression = excluded.text_expression,
    vector_column = excluded.vector_column, vector_table = excluded.vector_table, passages = excluded.passages,
    backend = excluded.backend, model = excluded.model,
    dimensions = excluded.dimensions, settings = excluded.settings, trouble = null
  returning s.* into source;
  -- A column that a trigger names is dropped with the trigger.
  unseen := not exists (
    select from pg_trigger where tgrelid = watched_table and tgname = format('embed_%s_update', before.id) and not tgisinternal);
  perform public.embed_install_triggers(source);
  if (before.watched_table, before.key_columns, before.text_expression, before.vector_column, before.vector_table, before.passages)
    is distinct from (source.watched_table, source.key_columns, source.text_expression, source.vector_column, source.vector_table, source.passages)
    and before.id is not null
  then
    perform public.embed_requeue(before, source, unseen);
  end if;
  perform pg_notify('embedding_queue', '');
  return source;
end
$$;
comment on function public.embed_watch is 'Watches a text of a table: from now on every change of it is queued. Called again with the same name, it changes the source. With passages, the text is cut into rows of vector_table, and those are watched too. Rows that are there already wait for a backfill.';

create function public.embed_unwatch(source_name text) returns boolean
language plpgsql strict set search_path = pg_catalog, pg_temp as $$
declare
  source public.embedding_source;
  function_name text;
begin
  delete from public.embedding_source where name = source_name returning * into source;
  if not found then
    return false;
  end if;
  perform public.embed_drop_triggers(source);
  foreach function_name in array array['insert', 'row', 'delete', 'truncate'] loop
    execute format('drop function if exists public.embed_source_%s_%s()', source.id, function_name);
  end loop;
  delete from public.embedding_queue where source_id = source.id;
  -- A change of its model ends with it.
  perform public.embed_unwatch(s.name) from public.embedding_source s
  where s.name in (source.name || '@next', source.name || '@previous') and s.watched_table = source.watched_table;
  if source.passages is not null then
    perform public.embed_unwatch(p.name) from public.embedding_source p where p.watched_table = source.vector_table;
  end if;
  perform pg_notify('embedding_queue', '');
  return true;
end
$$;
comment on function public.embed_unwatch is 'Stops watching. The table, its texts and its vectors stay as they are. False when there is no such source.';
