-- What can be told by counting.
create table gold_listening_by_hour as
select user_id, weekday, hour, count(*) as plays, sum(ms_played) as ms_played, ${mood}
from silver_plays
group by all;

create table gold_listening_by_daypart as
select user_id, daypart, count(*) as plays, sum(ms_played) as ms_played, ${mood}
from silver_plays
group by all;

create table gold_mood_by_day as
select user_id, local_date, count(*) as plays, ${mood}
from silver_plays
group by all;

create table gold_genre_mix as
select user_id, genre, count(*) as plays, count(*) / sum(count(*)) over (partition by user_id) as share
from silver_plays
join silver_track_genres using (track_id)
group by user_id, genre;

create table gold_discovery_gaps as
with catalogue as (
    select genre, count(*) / sum(count(*)) over () as catalogue_share
    from silver_track_genres
    group by genre
)

select users.user_id, genre, catalogue_share, coalesce(share, 0) as listening_share
from (select distinct user_id from silver_plays) as users
cross join catalogue
left join gold_genre_mix using (user_id, genre);

create table gold_top_tracks as
select
    user_id, row_number() over (partition by user_id order by count(*) desc, sum(ms_played) desc) as rank,
    track_id, track_name, artist, count(*) as plays, sum(ms_played) as ms_played
from silver_plays
join silver_tracks using (track_id)
group by user_id, track_id, track_name, artist
qualify rank <= 100;

create table gold_top_artists as
select
    user_id, row_number() over (partition by user_id order by count(*) desc, sum(ms_played) desc) as rank,
    artist, count(*) as plays, sum(ms_played) as ms_played
from silver_plays
join silver_tracks using (track_id)
group by user_id, artist
qualify rank <= 100;

create table gold_coverage as
select user_id, count(*) as plays, count(energy) as plays_with_features, count(energy) / count(*) as share
from silver_plays
group by user_id;

create table gold_daypart_lift as
with counts as (
    select
        user_id,
        count(*) filter (daypart = 'morning' and energy > 0.8) + 0.5 as a,
        count(*) filter (daypart = 'morning' and energy <= 0.8) + 0.5 as b,
        count(*) filter (daypart = 'evening' and energy > 0.8) + 0.5 as c,
        count(*) filter (daypart = 'evening' and energy <= 0.8) + 0.5 as d
    from silver_plays
    group by user_id
)

select
    user_id,
    a * d / (b * c) as odds_ratio,
    exp(ln(odds_ratio) - 1.96 * sqrt(1 / a + 1 / b + 1 / c + 1 / d)) as ci_low,
    exp(ln(odds_ratio) + 1.96 * sqrt(1 / a + 1 / b + 1 / c + 1 / d)) as ci_high
from counts;

create table gold_completion_by_feature as
select user_id, instrumentalness > 0.7 as is_high, avg((completion >= 0.9)::int) as completion, count(*) as n
from silver_plays
where instrumentalness is not null
group by all;

-- Plays for each catalogue track, unplayed ones counted, within genres.
create table gold_play_rate_by_feature as
with tracks as (
    select genre, valence < 0.3 as is_low, count(*) as tracks
    from silver_track_features
    join silver_track_genres using (track_id)
    group by all
),

plays as (
    select user_id, genre, valence < 0.3 as is_low, count(*) as plays
    from silver_plays
    join silver_track_genres using (track_id)
    where valence is not null
    group by all
),

strata as (
    select
        user_id, genre,
        coalesce(any_value(plays) filter (is_low), 0) as low_plays,
        coalesce(any_value(plays) filter (not is_low), 0) as other_plays,
        any_value(tracks) filter (is_low) as low_tracks,
        any_value(tracks) filter (not is_low) as other_tracks
    from plays
    join tracks using (genre, is_low)
    group by all
)

select
    user_id,
    sum(low_plays * other_tracks / (low_tracks + other_tracks))
    / sum(other_plays * low_tracks / (low_tracks + other_tracks)) as rate_ratio
from strata
group by user_id;

create table gold_taste_vs_catalogue as
select user_id, ${features_mean}
from silver_plays
group by user_id
union all
select 'catalogue', ${features_mean}
from silver_track_features
where is_analysed;
