-- Five kinds of sessions, told apart by the sound of what was played.
-- grain: one model; one row per session with known features
-- retrain: 20%
create or replace model modes options (
    type = 'kmeans',
    k = 5,
    split = 'none',
    seed = 42,
    allow_untrained = true
) as
with

sessions as (
    select * from silver.sessions
)

-- Loudness is left out: it follows energy, which would count twice. Key, mode and time signature
-- say how a piece is written, not how it sounds.
select
    mean_danceability,
    mean_energy,
    mean_speechiness,
    mean_acousticness,
    mean_instrumentalness,
    mean_liveness,
    mean_valence,
    mean_tempo
from sessions
where plays_with_features > 0;
