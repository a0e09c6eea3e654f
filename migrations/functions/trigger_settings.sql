-- What a key or a text looks like must not depend on the settings of the session that writes the row: one row would
-- have two keys, or a change of a text would look like none. A setting costs each call about a microsecond, so a
-- function has those that its source needs.
create or replace function autoembed.trigger_settings(source autoembed.embedding_source) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select 'set search_path = pg_catalog, pg_temp' || case
    when autoembed.text_is_plain(source) and autoembed.key_is_plain(source) then ''
    else '
set standard_conforming_strings = on
set datestyle = ''ISO, MDY''
set timezone = ''UTC''
set intervalstyle = ''postgres''
set bytea_output = ''hex''
set extra_float_digits = 1'
    end
$$;
comment on function autoembed.trigger_settings is 'The settings that the trigger functions of a source are pinned to.';
