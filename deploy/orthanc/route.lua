-- Sends the series of a stable study that Spondyl can use to the modality "spondyl", each series once.
--
-- Our own report makes the study stable again. It is never sent back, and a series whose objects Spondyl has got
-- already is not sent again. A job that failed leaves no mark, so the next stable event sends its series again; until
-- then an administrator can resubmit it (POST /jobs/{id}/resubmit), since Orthanc does not try again by itself.

local MODALITY = 'spondyl'
-- What Spondyl measures on (images), in (masks) or takes landmarks from (reports).
local WANTED = { CT = true, MR = true, CR = true, DX = true, SEG = true, RTSTRUCT = true, SR = true }
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

local function isWanted(series)
  return WANTED[series['MainDicomTags']['Modality']] and not isOurs(series)
    and sentBefore(series) < #series['Instances']
end

function OnStableStudy(studyId, tags, metadata)
  local chosen = {}
  for _, series in ipairs(get('/studies/' .. studyId .. '/series') or {}) do
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
