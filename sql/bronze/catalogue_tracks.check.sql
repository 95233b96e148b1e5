-- Rows that share an identity: an import added a row that was there.
select
    row_id,
    count(*) as copies
from bronze.catalogue_tracks
group by row_id
having count(*) > 1 or row_id is null;

-- Rows without a track id.
select
    row_index,
    row_id,
    _source_file
from bronze.catalogue_tracks
where track_id is null or track_id = '';
