{* Shown in the client area; every value is escaped. The page asks for itself again while something is under way. *}
<div class="card tenantry">
  <div class="card-body">
    <h3>{$domain|escape}</h3>
    <p>Status: <strong>{$status|escape}</strong></p>
    {if $status neq 'active' && $status neq 'suspended' && $status neq 'terminated'}
      <div class="progress"><div class="progress-bar" role="progressbar" style="width: {$progress|intval}%">{$progress|intval}&nbsp;%</div></div>
      <meta http-equiv="refresh" content="10">
    {/if}
    <ul>{foreach from=$areas key=area item=state}<li>{$area|escape}: {$state|escape}</li>{/foreach}</ul>
    <dl>{foreach from=$gauges key=label item=value}<dt>{$label|escape}</dt><dd>{$value|escape}</dd>{/foreach}</dl>
    <ul>{foreach from=$certificates item=one}<li>{$one.role|escape}: {$one.state|escape} {$one.not_after|escape}</li>{/foreach}</ul>
  </div>
</div>
