-- Takes no lock on the user's table: a statement that is under way ends with the function that it began with.
create or replace function autoembed.replace_trigger_functions(source autoembed.embedding_source) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
-- On, Postgres would keep the settings of the functions in another spelling.
set quote_all_identifiers = off
as $$
declare
  made record;
begin
  perform autoembed.check_key(source.watched_table, source.key_columns);
  for made in select f.name, f.definition from autoembed.rendered_functions(source) f loop
    -- Whatever is rendered into a function: what stands after an early end of its body would be run as a statement.
    if cardinality(string_to_array(made.definition, '$autoembed$')) <> 3 then
      raise exception 'neither the text, the name nor a column of % may have $autoembed$ in it', source.watched_table
        using hint = 'Rename the table or column, or spell the text otherwise.',
          errcode = 'invalid_object_definition';
    end if;
    execute made.definition;
    perform autoembed.close_function(format('autoembed.%I()', made.name)::regprocedure);
  end loop;
end
$$;
comment on function autoembed.replace_trigger_functions is
  'Makes the trigger functions of a source, or makes them again.';
