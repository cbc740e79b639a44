-- Sends the series of a stable spine study that Spondyl can use to the modality "spondyl", each series once.
--
-- Our own report makes the study stable again. It is not sent back, unless a reader has changed it: their tool may keep
-- our name. A series whose objects Spondyl has got already is not sent again. A job that failed leaves no mark, so the
-- next stable event sends its series again; until then an administrator can resubmit it (POST /jobs/{id}/resubmit),
-- since Orthanc does not try again by itself.

-- ---- For a site to edit.

local MODALITY = 'spondyl'
-- What Spondyl measures on (images), in (masks) or takes landmarks from (reports, presentation states).
local WANTED = { CT = true, MR = true, CR = true, DX = true, SEG = true, RTSTRUCT = true, SR = true, PR = true }
-- A study is a spine study where one of these words, in small letters, is part of one of the texts below; so is one
-- with a mask or landmarks of a vertebra. The terms for Body Part Examined (PS3.16 CID 4031: SPINE, CSPINE, CTSPINE,
-- TSPINE, TLSPINE, LSPINE, LSSPINE, SSPINE) all end in "spine". "thoracic" is missing: it is a chest as often.
local WORDS = { 'spine', 'lumbar', 'vertebra', 'wirbel', 'hws', 'bws', 'lws', 'rachis', 'columna' }
local TEXTS_OF_STUDY = { 'StudyDescription' }
local TEXTS_OF_SERIES = { 'BodyPartExamined', 'SeriesDescription', 'ProtocolName' }

-- ---- The rest need not be edited.

local OWN_MANUFACTURER = 'Spondyl'
-- User-defined metadata of a series (1024 and above): how many of its objects Spondyl has got.
local SENT = '/metadata/4920'

local function get(uri)
  local text = RestApiGet(uri, false)
  if text == nil or text == '' then
    return nil
  end
  return ParseJson(text)
end

-- A series without Manufacturer in its main tags is not ours: ours always has one.
local function isOurs(series)
  return series['MainDicomTags']['Manufacturer'] == OWN_MANUFACTURER
end

-- The metadata list is asked first: asking for a value that is not there is an error in the log.
local function sentBefore(series)
  for _, name in ipairs(get('/series/' .. series['ID'] .. '/metadata') or {}) do
    if name == '4920' then
      return tonumber(RestApiGet('/series/' .. series['ID'] .. SENT, false))
    end
  end
  return 0
end

-- A report or presentation state of ours that a reader saved is verified, or names a person: as Content Creator, or as
-- Person Observer (121008, DCM; PS3.16 TID 1003). We name one only where a reader placed the points; such a report of
-- our own comes back once, and Spondyl knows it by its UID.
local function isEdited(series)
  local modality = series['MainDicomTags']['Modality']
  if modality ~= 'SR' and modality ~= 'PR' then
    return false
  end
  for _, instance in ipairs(series['Instances']) do
    local text = RestApiGet('/instances/' .. instance .. '/simplified-tags', false) or '{}'
    local tags = ParseJson(text)
    if tags['VerificationFlag'] == 'VERIFIED' or (tags['ContentCreatorName'] or '') ~= ''
      or string.find(text, '"121008"', 1, true) then
      return true
    end
  end
  return false
end

local function isWanted(series)
  return WANTED[series['MainDicomTags']['Modality']] and sentBefore(series) < #series['Instances']
    and (not isOurs(series) or isEdited(series))
end

local function names(text)
  for _, word in ipairs(WORDS) do
    if string.find(string.lower(text), word, 1, true) then
      return true
    end
  end
  return false
end

local function anyNames(tags, texts)
  for _, text in ipairs(texts) do
    if names(tags[text] or '') then
      return true
    end
  end
  return false
end

-- A mask names what it shows (labels, meanings of codes). A report has landmarks where it has a Measurement Group
-- (125007, DCM; PS3.16 TID 1501) and coordinates; one that only speaks of a spine has not.
local function holdsVertebra(series)
  local modality = series['MainDicomTags']['Modality']
  if modality ~= 'SEG' and modality ~= 'SR' then
    return false
  end
  for _, instance in ipairs(series['Instances']) do
    local text = RestApiGet('/instances/' .. instance .. '/simplified-tags', false) or ''
    local placed = string.find(text, '"125007"', 1, true) and string.find(text, '"SCOORD', 1, true)
    if (modality == 'SEG' or placed) and names(text) then
      return true
    end
  end
  return false
end

local function isDescribed(series)
  return anyNames(series['MainDicomTags'], TEXTS_OF_SERIES)
end

local function any(allSeries, says)
  for _, series in ipairs(allSeries) do
    if not isOurs(series) and says(series) then
      return true
    end
  end
  return false
end

-- What is cheap is asked first: the texts that Orthanc has in its index, then the content of masks and reports.
local function isSpine(tags, allSeries)
  return anyNames(tags, TEXTS_OF_STUDY) or any(allSeries, isDescribed) or any(allSeries, holdsVertebra)
end

function OnStableStudy(studyId, tags, metadata)
  local allSeries = get('/studies/' .. studyId .. '/series') or {}
  if not isSpine(tags, allSeries) then
    return
  end
  local chosen = {}
  for _, series in ipairs(allSeries) do
    if isWanted(series) then
      table.insert(chosen, series['ID'])
    end
  end
  if #chosen > 0 then
    -- Series identifiers: SendToModality takes instances only. Not synchronous: Orthanc goes on receiving meanwhile.
    local order = { Resources = chosen, Synchronous = false }
    RestApiPost('/modalities/' .. MODALITY .. '/store', DumpJson(order, true), false)
  end
end

local function wentToUs(job)
  local us = get('/modalities/' .. MODALITY .. '/configuration')
  return job ~= nil and us ~= nil and job['Type'] == 'DicomModalityStore' and job['Content']['RemoteAet'] == us['AET']
end

function OnJobSuccess(jobId)
  local job = get('/jobs/' .. jobId)
  if not wentToUs(job) then
    return
  end
  for _, seriesId in ipairs(job['Content']['ParentResources'] or {}) do
    local series = get('/series/' .. seriesId)
    if series ~= nil then
      RestApiPut('/series/' .. seriesId .. SENT, tostring(#series['Instances']), false)
    end
  end
end
